"use strict";

SwaggerUIBundle({
  dom_id: "#reference",
  // The document lies beside /docs, whatever a gateway puts before both.
  url: location.pathname.replace(/[/]+docs[/]*$/, "/openapi.json"),
  deepLinking: true,
  // A token is typed into the page, and is forgotten with it.
  persistAuthorization: false,
});
