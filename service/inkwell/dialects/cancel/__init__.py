"""`DELETE /requests/{id}`: cancels a running request."""
