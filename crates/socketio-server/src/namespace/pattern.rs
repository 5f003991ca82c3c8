//! Patterns for names of namespaces: `/orders/{id}`.

use crate::namespace::dynamic::Params;

/// Matches names part by part, as `/` divides them.
#[derive(Debug)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(Box<str>),
    Param(Box<str>),
}

impl Pattern {
    /// # Panics
    ///
    /// Panics if it is no pattern: that is a mistake in the application's code.
    #[track_caller]
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        let parts: Vec<Part> = pattern.split('/').map(Part::new).collect();
        for (idx, part) in parts.iter().enumerate() {
            if let Part::Param(name) = part {
                let is_repeated = parts
                    .iter()
                    .skip(idx + 1)
                    .any(|other| matches!(other, Part::Param(other) if other == name));
                assert!(!is_repeated, "the parameter `{name}` stands twice in the pattern `{pattern}`");
            }
        }
        Self(parts)
    }

    /// The parameters of a full name that matches; none of them is empty.
    pub(crate) fn matches(&self, name: &str) -> Option<Params> {
        let mut found = name.strip_prefix('/')?.split('/');
        let mut params = Vec::new();
        for part in &self.0 {
            match (part, found.next()?) {
                (Part::Literal(expected), found) if **expected == *found => {}
                (Part::Param(param), found) if !found.is_empty() => {
                    params.push((param.clone(), found.into()));
                }
                _ => return None,
            }
        }
        found.next().is_none().then(|| params.into())
    }
}

impl Part {
    #[track_caller]
    fn new(part: &str) -> Self {
        let param = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let name = param.unwrap_or(part);
        assert!(
            !name.contains(['{', '}']) && param != Some(""),
            "`{part}` is neither a literal nor a `{{parameter}}`: a parameter takes a whole part"
        );
        if param.is_some() { Self::Param(name.into()) } else { Self::Literal(name.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, name: &str) -> Option<String> {
        let params = Pattern::new(pattern).matches(name)?;
        Some(params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn parameters_take_a_part_each() {
        for (pattern, name, params) in [
            ("/orders/{id}", "/orders/7", "id=7"),
            ("orders/{id}", "/orders/ü x", "id=ü x"),
            ("/{a}/x/{b}", "/1/x/2", "a=1 b=2"),
            ("/plain", "/plain", ""),
        ] {
            assert_eq!(matched(pattern, name).as_deref(), Some(params), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("/orders/{id}", "/orders/"),
            ("/orders/{id}", "/orders"),
            ("/orders/{id}", "/orders/7/items"),
            ("/orders/{id}", "/Orders/7"),
            ("/{a}", "/"),
            ("/{a}", "x"),
            ("/plain", "/plain/"),
        ] {
            assert_eq!(matched(pattern, name), None, "{pattern} {name}");
        }
    }

    #[test]
    #[should_panic(expected = "neither a literal nor a `{parameter}`")]
    fn a_parameter_is_a_whole_part() {
        Pattern::new("/order-{id}");
    }

    #[test]
    #[should_panic(expected = "`id` stands twice")]
    fn a_parameter_stands_once() {
        Pattern::new("/{id}/{id}");
    }
}
