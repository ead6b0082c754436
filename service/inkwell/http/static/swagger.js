// Starts Swagger UI. Addresses are relative, so the page works below a proxy's prefix; the query string cannot
// change the configuration (queryConfigEnabled), or a link could load somebody else's spec into this page.
const ui = SwaggerUIBundle({
  url: "../apispec_1.json",
  dom_id: "#swagger-ui",
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
  onComplete: () => {
    // Without this the page shows JSON as the chosen form, asks for "*/*" and so gets text.
    for (const method of ["get", "post"]) {
      ui.specActions.changeProducesValue(["/text-generate", method], "text/plain"); // what is shown
      ui.oas3Actions.setResponseContentType({ value: "text/plain", path: "/text-generate", method }); // what is sent
    }
  },
});
