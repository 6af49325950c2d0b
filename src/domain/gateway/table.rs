//! The rules of one snapshot by which requests are labelled.

/// How requests are labelled.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// Names of the label headers.
    pub headers: LabelHeaders,
}

/// Names of the label headers, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelHeaders {
    /// Names the flow.
    pub flow: Box<str>,
    /// Says how many persons' general information is sent.
    pub persons: Box<str>,
    /// Says how many persons' sensitive information is sent.
    pub sensitive_persons: Box<str>,
    /// Is the gateway's id of the transfer.
    pub transfer_id: Box<str>,
}

impl Default for LabelHeaders {
    fn default() -> Self {
        Self {
            flow: "x-neglist-flow".into(),
            persons: "x-neglist-persons".into(),
            sensitive_persons: "x-neglist-sensitive-persons".into(),
            transfer_id: "x-neglist-transfer-id".into(),
        }
    }
}
