// Starts Swagger UI. URLs are relative, so the page works below a proxy's prefix. The query string cannot change the
// configuration (queryConfigEnabled): a link could otherwise load a foreign document into this page.
const ui = SwaggerUIBundle({
  url: "../apispec_1.json",
  dom_id: "#swagger-ui",
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
  onComplete: () => {
    // Operations that offer plain text answer "*/*" with it; without this the page would show JSON as the selected type.
    for (const [path, operations] of Object.entries(ui.specSelectors.specJson().get("paths").toJS())) {
      for (const [method, { responses }] of Object.entries(operations)) {
        if (responses["200"].content?.["text/plain"]) {
          ui.specActions.changeProducesValue([path, method], "text/plain"); // what is shown
          ui.oas3Actions.setResponseContentType({ value: "text/plain", path, method }); // what is sent
        }
      }
    }
  },
});
