//! What needs a table of routes that the product does not have.

use super::*;
use crate::auth::{ApiKey, KeyHash, Scope, generate_key};
use crate::error::Shape;
use crate::routes::Access;
use axum::http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

static WITH_A_BUG: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/panics",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "A bug.",
        request: None,
        answer: ("text/plain", |generator| generator.subschema_for::<String>()),
        provider: None,
        handler: |_, _| Box::pin(async { panic!("a bug that quotes: secret words") }),
    },
    Route {
        method: Method::GET,
        path: "/works",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "No bug.",
        request: None,
        answer: ("text/plain", |generator| generator.subschema_for::<String>()),
        provider: None,
        // The whole call goes into the future: it counts as in progress until it is dropped.
        handler: |call, _| {
            Box::pin(async move {
                let call = &call;
                Ok(Response::new(Body::from(call.app.metrics.expose(None))))
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_its_request_and_nothing_else() {
    let key = generate_key().unwrap();
    let mut config = Config::parse("[listen]\nhttp = \"127.0.0.1:0\"\n").unwrap();
    config.limits.max_in_flight = 1;
    config.keys.push(ApiKey::new("k", KeyHash::of(&key.secret), "", &Scope::ALL));
    let engine = Arc::new(Engine::embedded().unwrap());
    let bound = Gateway::bind_routes(config, engine, None, WITH_A_BUG).await.unwrap();
    let address = bound.local_addr();
    tokio::spawn(bound.serve(std::future::pending()));
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let get = |path: &str| {
        let request = Request::get(format!("http://{address}{path}")).header("x-api-key", &key.secret);
        client.request(request.body(Body::empty()).unwrap())
    };
    for _ in 0..3 {
        let response = get("/panics").await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(REQUEST_ID));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("secret"), "{body:?}");
    }
    let response = get("/works").await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "the place of a panicked request is free again");
    let metrics =
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(metrics.contains("aimds_failures_total{code=\"internal_error\"} 3"), "{metrics}");
    assert!(metrics.contains("aimds_alarms_total{event=\"handler_panicked\"} 3"), "{metrics}");
    assert!(metrics.contains("aimds_requests_in_flight 1"), "{metrics}");
}

#[tokio::test]
async fn a_gateway_that_nobody_could_use_does_not_start() {
    let config = Config::parse("[listen]\nhttp = \"127.0.0.1:0\"\n").unwrap();
    let error = Gateway::bind(config, Arc::new(Engine::embedded().unwrap()), None).await.err().unwrap();
    assert!(matches!(error, BindError::NoKeys));
}
