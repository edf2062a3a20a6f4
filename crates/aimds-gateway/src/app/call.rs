//! One request that has been let in: who is calling, whose session it is, what its body says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::{App, Gauge, now_ms};
use crate::auth::Principal;
use crate::error::{Failure, explain};
use crate::json;
use crate::request_id::RequestId;
use crate::routes::Route;
use crate::session_key::SessionKey;
use crate::sessions::Of;
use crate::telemetry::Trace;

/// How long and how much of a refused body is still read, so that the caller sees the answer and not a reset.
const DISCARD_TIME: Duration = Duration::from_secs(1);
const DISCARD_TIMES_LIMIT: usize = 4;

/// One request that has been let in.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) id: RequestId,
    /// Who is calling; `None` where the route asks nobody.
    pub(crate) principal: Option<Arc<Principal>>,
    /// The session that the caller names.
    pub(crate) session: Option<SessionKey>,
    pub(crate) route: &'static Route,
    /// What is told of it to those who watch.
    pub(crate) trace: Trace,
    /// What its lines in the log carry.
    pub(crate) log: tracing::Span,
    pub(crate) started: Instant,
    /// Its place among the requests in progress, kept until its answer has ended.
    pub(crate) _place: Option<OwnedSemaphorePermit>,
    pub(crate) _in_flight: Gauge,
}

impl Call {
    /// The name of the caller, empty where nobody is asked.
    pub(crate) fn key_id(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| principal.id())
    }

    /// Whose request it is.
    pub(crate) fn tenant(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| principal.tenant())
    }

    /// The session that it belongs to, if its caller names one.
    pub(super) fn session(&self) -> Option<Of<'_>> {
        self.session.map(|session| Of { tenant: self.tenant(), api_key: self.key_id(), session })
    }

    /// Takes the session from the body of a request, where its shape has a place for it, and asks whether it is held.
    pub(crate) async fn name_session(&mut self, session: &str) -> Result<(), Failure> {
        let session = Some(SessionKey::of(self.tenant(), session)?);
        self.session = session;
        if let Some(principal) = &self.principal {
            self.app.mitigations.admit(principal, session, self.route.guarded, now_ms()).await?;
        }
        Ok(())
    }

    /// Reads the body, within the limits on size and time.
    pub(crate) async fn body(&self, headers: &axum::http::HeaderMap, body: Body) -> Result<Bytes, Failure> {
        let limits = &self.app.limits;
        let too_large = Failure::TooLarge { limit: limits.body_bytes };
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.body_bytes as u64) {
            if !headers.contains_key(header::EXPECT) {
                discard(body, limits.body_bytes).await;
            }
            return Err(too_large);
        }
        let collect = Limited::new(body, limits.body_bytes).collect();
        match tokio::time::timeout(limits.request_timeout, collect).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
            Ok(Err(_)) => Err(Failure::BodyBroken),
            Err(_) => Err(Failure::BodyTimeout),
        }
    }

    /// Reads a JSON body of a known shape. Members that the shape does not know are ignored.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        headers: &axum::http::HeaderMap,
        body: Body,
    ) -> Result<(T, Bytes), Failure> {
        let bytes = self.body(headers, body).await?;
        let text = json::check(&bytes, self.app.limits.json_depth)?;
        let value = serde_json::from_str(text).map_err(|error| explain(&error))?;
        json::refuse_twice(text)?;
        Ok((value, bytes))
    }
}

async fn discard(mut body: Body, limit: usize) {
    let mut left = limit.saturating_mul(DISCARD_TIMES_LIMIT);
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}
