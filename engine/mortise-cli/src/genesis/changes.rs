//! The differences between two genesis files, which an operator reviews before signing.

use serde_json::Value;

/// Changed values by JSON pointer, with the old and the new value.
pub(super) fn between(old: &Value, new: &Value) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    // an explicit stack, because the file controls the depth
    let mut open = vec![(String::new(), Some(old), Some(new))];
    while let Some((at, old, new)) = open.pop() {
        match (old, new) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
                names.sort_unstable();
                names.dedup();
                let inner = names.into_iter().rev();
                open.extend(inner.map(|n| (format!("{at}/{n}"), before.get(n), after.get(n))));
            }
            (old, new) if old == new => {}
            (old, new) => changes.push((at, format!("{} -> {}", text(old), text(new)))),
        }
    }
    changes
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_listed_by_place_with_both_values() {
        let old = json!({"a": {"b": 1, "c": [1]}, "d": 2, "e": 3});
        let new = json!({"a": {"b": 1, "c": [2]}, "d": 2, "f": 4});
        let found = between(&old, &new);
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        assert_eq!(found, [("/a/c", "[1] -> [2]"), ("/e", "3 -> nothing"), ("/f", "nothing -> 4")]);
        assert_eq!(between(&old, &old), []);
    }
}
