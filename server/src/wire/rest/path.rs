//! Paths with fields in them, such as `/v2/users/{user_id}/lock`.

use percent_encoding::percent_decode_str;

use crate::api::error::{ApiError, Code};

/// What a path has in the place of a pattern's fields; `None` if it is not of the pattern. A field
/// may be empty: that the id is missing is for the call to say.
pub(super) fn fields<'a>(
    pattern: &'static str,
    path: &'a str,
) -> Option<Vec<(&'static str, &'a str)>> {
    // Most patterns are of other paths: told by what stands before the first field, without taking
    // either apart.
    let mut start = pattern.bytes().zip(path.bytes()).take_while(|(one, _)| *one != b'{');
    if start.any(|(one, other)| one != other) {
        return None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_whatever_stands_in_its_place() {
        let pattern = "/v2/users/{user_id}/lock";
        for (path, field) in [
            ("/v2/users/ada/lock", "ada"),
            ("/v2/users//lock", ""),
            ("/v2/users/{x/lock", "{x"),
            ("/v2/users/{user_id}/lock", "{user_id}"),
        ] {
            assert_eq!(fields(pattern, path), Some(vec![("user_id", field)]), "{path}");
        }
        for path in ["/v2/users/ada", "/v2/users/ada/lock/", "/v2/user/ada/lock", "/v2", "", "/"] {
            assert_eq!(fields(pattern, path), None, "{path}");
        }
    }
}
