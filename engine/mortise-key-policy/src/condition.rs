//! Evaluates the conditions of a statement against the facts of a request.

use super::document::{Condition, Statement};

/// The known value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The request does not have the key.
    Absent,
    /// The request has the key with this value.
    Is(String),
    /// The request has the key with a value that no policy names: another image's measurement.
    Other,
    /// Unknown: the key belongs to another service, or the caller chooses its value.
    Unknown,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    fn of(fact: bool) -> Self {
        if fact { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Statement {
    /// Whether all conditions hold. A single `No` decides.
    pub fn conditions_hold(&self, fact: impl Fn(&str) -> Fact) -> Truth {
        let mut all = Truth::Yes;
        for condition in &self.conditions {
            match condition.holds(&fact(&condition.key)) {
                Truth::No => return Truth::No,
                Truth::Unknown => all = Truth::Unknown,
                Truth::Yes => {}
            }
        }
        all
    }
}

/// How texts are compared.
#[derive(Debug, Clone, Copy)]
enum Compare {
    Exactly,
    AnyCase,
    Wildcards,
}

impl Condition {
    /// Whether this condition holds for a fact. An unknown operator gives `Unknown`.
    pub fn holds(&self, fact: &Fact) -> Truth {
        let (name, if_exists) = match self.operator.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (self.operator.as_str(), false),
        };
        if name == "Null" && !if_exists {
            return self.null(fact);
        }
        let (compare, negated) = match name {
            "StringEquals" => (Compare::Exactly, false),
            "StringEqualsIgnoreCase" | "Bool" => (Compare::AnyCase, false),
            "StringLike" => (Compare::Wildcards, false),
            "StringNotEquals" => (Compare::Exactly, true),
            "StringNotEqualsIgnoreCase" => (Compare::AnyCase, true),
            "StringNotLike" => (Compare::Wildcards, true),
            _ => return Truth::Unknown,
        };
        // An absent key fails a condition, passes a negated one, and passes any with IfExists.
        let matches = match fact {
            Fact::Absent if if_exists => return Truth::Yes,
            Fact::Absent => Truth::No,
            _ => self.any_value_matches(compare, fact),
        };
        if negated { matches.not() } else { matches }
    }

    /// `Null`: "true" requires that the key is absent.
    fn null(&self, fact: &Fact) -> Truth {
        let required: Vec<_> = self.values.iter().map(|value| value.to_ascii_lowercase()).collect();
        let absent = match fact {
            Fact::Absent => "true",
            Fact::Is(_) | Fact::Other => "false",
            Fact::Unknown => return Truth::Unknown,
        };
        Truth::of(required.iter().any(|value| value == absent))
    }

    fn any_value_matches(&self, compare: Compare, fact: &Fact) -> Truth {
        // This evaluator does not resolve policy variables.
        if self.values.iter().any(|value| value.contains("${")) {
            return Truth::Unknown;
        }
        match (fact, compare) {
            (Fact::Is(found), _) => Truth::of(self.values.iter().any(|v| same(compare, v, found))),
            (Fact::Other, Compare::Wildcards) => self.other_is_like(),
            (Fact::Other, _) => Truth::No,
            (Fact::Absent, _) => Truth::No,
            (Fact::Unknown, _) => Truth::Unknown,
        }
    }

    fn other_is_like(&self) -> Truth {
        let has_wildcard = |value: &String| value.contains(['*', '?']);
        match () {
            () if self.values.iter().any(|value| value.chars().all(|c| c == '*')) => Truth::Yes,
            () if self.values.iter().any(has_wildcard) => Truth::Unknown,
            () => Truth::No,
        }
    }
}

fn same(compare: Compare, pattern: &str, found: &str) -> bool {
    match compare {
        Compare::Exactly => pattern == found,
        Compare::AnyCase => pattern.eq_ignore_ascii_case(found),
        Compare::Wildcards => is_like(pattern, found),
    }
}

/// Whether `text` matches `pattern`: `*` is any characters, `?` is one. The comparison is
/// case-sensitive. Takes at most pattern length times text length steps.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(operator: &str, values: &[&str], fact: &Fact) -> Truth {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        Condition { operator: operator.to_owned(), key: "k".to_owned(), values }.holds(fact)
    }

    #[test]
    fn operators_follow_their_table() {
        use Truth::{No, Unknown, Yes};
        let is = Fact::Is("abC".to_owned());
        // (operator, values, absent, is "abC", some other value, unknown)
        let rows: &[(&str, &[&str], [Truth; 4])] = &[
            ("StringEquals", &["x", "abC"], [No, Yes, No, Unknown]),
            ("StringEquals", &["abc"], [No, No, No, Unknown]),
            ("StringEquals", &[], [No, No, No, Unknown]),
            ("StringEqualsIgnoreCase", &["ABC"], [No, Yes, No, Unknown]),
            ("StringEqualsIgnoreCaseIfExists", &["ABC"], [Yes, Yes, No, Unknown]),
            ("StringLike", &["a*"], [No, Yes, Unknown, Unknown]),
            ("StringLike", &["*"], [No, Yes, Yes, Unknown]),
            ("StringLike", &["abc"], [No, No, No, Unknown]),
            ("StringNotEquals", &["abC"], [Yes, No, Yes, Unknown]),
            ("StringNotEqualsIgnoreCase", &["x", "ABC"], [Yes, No, Yes, Unknown]),
            ("StringNotLike", &["?b?"], [Yes, No, Unknown, Unknown]),
            ("Bool", &["True"], [No, No, No, Unknown]),
            ("Null", &["true"], [Yes, No, No, Unknown]),
            ("Null", &["false"], [No, Yes, Yes, Unknown]),
            ("ArnLike", &["*"], [Unknown, Unknown, Unknown, Unknown]),
            ("ForAnyValue:StringEquals", &["abC"], [Unknown, Unknown, Unknown, Unknown]),
            ("StringEquals", &["${aws:username}"], [No, Unknown, Unknown, Unknown]),
        ];
        for (operator, values, expected) in rows {
            let facts = [&Fact::Absent, &is, &Fact::Other, &Fact::Unknown];
            assert_eq!(facts.map(|fact| test(operator, values, fact)), *expected, "{operator}");
        }
    }

    #[test]
    fn wildcards_match_whole_texts() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("", "a", false),
            ("kms:ReEncrypt*", "kms:ReEncryptFrom", true),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!is_like(&"*a".repeat(200), &"a".repeat(100)));
    }
}
