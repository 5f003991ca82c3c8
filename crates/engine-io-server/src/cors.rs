//! What browsers are told about pages of other origins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::body::respond;
use crate::{Body, ConfigError, Origins};

/// Which pages of other origins may read what the server answers, and with what their requests may come: the headers of
/// the [CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol).
///
/// The origins that are named here are let in on every transport, as those of [`Config::origins`](crate::Config::origins)
/// are; all other options only concern polling, as browsers do not ask before a WebSocket. Each `OPTIONS` request is taken
/// for a preflight. All options have the official server's names and defaults but `origin`, which must be given.
///
/// ```
/// use engine_io_server::{Config, Cors, Origins};
///
/// let cors = Cors::new(Origins::list(["https://app.example.com"])).credentials(true);
/// let config = Config::default().cors(cors);
/// # let _ = config;
/// ```
#[derive(Debug, Clone)]
pub struct Cors {
    pub(crate) origins: Origins,
    credentials: bool,
    methods: HeaderValue,
    allowed_headers: Option<HeaderValue>,
    exposed_headers: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    success_status: StatusCode,
}

impl Cors {
    /// Pages of these origins may read answers.
    #[must_use]
    pub fn new(origins: Origins) -> Self {
        Self {
            origins,
            credentials: false,
            methods: HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"),
            allowed_headers: None,
            exposed_headers: None,
            max_age: None,
            success_status: StatusCode::NO_CONTENT,
        }
    }

    /// Whether requests may come with cookies and the like; default no. It cannot be had for [any](Origins::any) origin.
    #[must_use]
    pub fn credentials(mut self, allow: bool) -> Self {
        self.credentials = allow;
        self
    }

    /// The methods that a preflight is told; default `GET,HEAD,PUT,PATCH,POST,DELETE`. Clients need GET and POST.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = listed(methods.into_iter().map(|method| method.to_string()));
        self
    }

    /// The headers with which requests may come; default those that a preflight asks for.
    #[must_use]
    pub fn allowed_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.allowed_headers = Some(listed(headers.into_iter().map(|name| name.to_string())));
        self
    }

    /// The headers of answers that pages may read; default none but those that they always may.
    #[must_use]
    pub fn exposed_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed_headers = Some(listed(headers.into_iter().map(|name| name.to_string())));
        self
    }

    /// How long a browser may keep the answer to a preflight, in whole seconds; by default it decides.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(HeaderValue::from(age.as_secs()));
        self
    }

    /// The status of the answer to a preflight; default 204. Some old browsers want 200.
    #[must_use]
    pub fn options_success_status(mut self, status: StatusCode) -> Self {
        self.success_status = status;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.credentials && self.origins.is_any() {
            return Err(ConfigError::CredentialsOfAnyOrigin);
        }
        self.origins.validate()
    }

    /// The answer to a preflight, without what [all answers](CorsHeaders) have.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = respond(self.success_status, "text/plain", Bytes::new());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        match &self.allowed_headers {
            Some(allowed) => drop(headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone())),
            None => {
                headers.append(VARY, HeaderValue::from(ACCESS_CONTROL_REQUEST_HEADERS));
                if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
            }
        }
        if let Some(age) = &self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        response
    }
}

fn listed(names: impl Iterator<Item = String>) -> HeaderValue {
    // Names of methods and headers consist of characters that a value may have.
    HeaderValue::try_from(names.collect::<Vec<_>>().join(",")).unwrap_or(HeaderValue::from_static(""))
}

/// What the answer to a request says about pages of other origins.
#[derive(Debug)]
pub struct CorsHeaders {
    cors: Arc<Cors>,
    /// The origin of the request, if it may read the answer.
    origin: Option<HeaderValue>,
}

impl CorsHeaders {
    /// For the answer to a request with these headers to this host.
    pub(crate) fn new(cors: &Arc<Cors>, request: &HeaderMap, host: Option<&str>) -> Self {
        let origin = request.get(ORIGIN).filter(|origin| {
            std::str::from_utf8(origin.as_bytes()).is_ok_and(|origin| cors.origins.allows(origin, host))
        });
        // A copy: the value is a slice of the HTTP server's read buffer.
        let origin = origin.and_then(|origin| HeaderValue::from_bytes(origin.as_bytes()).ok());
        Self { cors: Arc::clone(cors), origin }
    }

    /// Adds them to the headers of an answer.
    pub fn add_to(&self, answer: &mut HeaderMap) {
        let cors = &*self.cors;
        if cors.origins.is_any() {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            if !answer.get_all(VARY).iter().any(|known| known == "Origin") {
                answer.append(VARY, HeaderValue::from_static("Origin"));
            }
            let Some(origin) = &self.origin else { return };
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        if cors.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(exposed) = &cors.exposed_headers {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}
