//! Returns the number of a request to its caller: the `AuthZEN` standard demands it, and logs are joined by it.

use axum::extract::Request;
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::Response;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Copies the `X-Request-ID` of a request into its response, whatever the answer is. A repeated header is not copied.
pub(crate) async fn echo(request: Request, next: Next) -> Response {
    let mut ids = request.headers().get_all(X_REQUEST_ID).iter();
    let id = ids.next().cloned().filter(|_| ids.next().is_none());
    let mut response = next.run(request).await;
    if let Some(id) = id {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}
