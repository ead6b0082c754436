"""What the machine and its control groups allow this process."""
