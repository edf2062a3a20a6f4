//! The OpenAPI document: made from the table of routes, so that it cannot say anything else.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{JSON, ROUTES, Route};
use crate::auth::Scope;

/// The OpenAPI 3.1 document of every route.
///
/// ```
/// let document = aimds_gateway::openapi();
/// assert!(document["paths"]["/v1/guard"]["post"]["summary"].is_string());
/// ```
#[must_use]
pub fn openapi() -> Value {
    describe(ROUTES)
}

pub(crate) fn describe(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let (media, answer) = route.answer;
        let mut operation = json!({
            "summary": route.summary,
            "responses": {
                "200": { "description": "The answer.", "content": { media: { "schema": answer(&mut generator) } } },
                "default": { "description": "An error in the shape of the API that the route speaks." },
            },
        });
        if let Some(operation) = operation.as_object_mut() {
            if let Some(request) = route.request {
                let content = json!({ JSON: { "schema": request(&mut generator) } });
                operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
            }
            let scopes = route.access.scope().into_iter().chain(route.access.or());
            operation.insert("security".into(), scopes.flat_map(security).collect());
            if let Some(provider) = route.provider {
                let fields = provider.fields();
                operation.insert(
                    "x-aimds-inspects".into(),
                    json!({ "request": fields.request, "response": fields.response, "streams": fields.streams }),
                );
            }
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "AIMDS gateway", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "ocp-apim-subscription-key": { "type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key" },
                "api-key": { "type": "apiKey", "in": "header", "name": "api-key" },
                "x-goog-api-key": { "type": "apiKey", "in": "header", "name": "x-goog-api-key" },
            },
        },
    })
}

/// Any of the headers will do; the scope is what the key must have.
fn security(scope: Scope) -> impl Iterator<Item = Value> {
    ["bearer", "x-api-key", "ocp-apim-subscription-key", "api-key", "x-goog-api-key"]
        .into_iter()
        .map(move |name| json!({ name: [scope.as_str()] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_every_route_and_every_reference_resolves() {
        let document = openapi();
        for route in ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            assert_eq!(document["paths"][route.path][method]["summary"], route.summary);
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let pointer = reference.split('"').next().unwrap().trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
