//! Paths with fields in them, such as `/v2/users/{user_id}/lock`.

use percent_encoding::percent_decode_str;

use crate::api::error::{ApiError, Code};

/// What a path has in the place of a pattern's fields; `None` if it is not of the pattern. A field
/// may be empty: that the id is missing is for the call to say.
pub(super) fn fields<'a>(
    pattern: &'static str,
    path: &'a str,
) -> Option<Vec<(&'static str, &'a str)>> {
    let mut fields = Vec::new();
    let mut segments = path.split('/');
    for part in pattern.split('/') {
        let segment = segments.next()?;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => fields.push((name, segment)),
            None if part == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(fields)
}

/// A field's value.
pub(super) fn decode(segment: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(Into::into)
        .map_err(|_| ApiError::plain(Code::InvalidArgument, "the path is not valid UTF-8"))
}
