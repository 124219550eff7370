//! Every combination of features that matters: none, each alone, all.

use std::path::Path;

use serde_json::Value;

use super::{Results, check, metadata, published, text, top};

pub(super) fn run(results: &mut Results) -> Result<(), String> {
    let dir = top();
    let metadata = metadata(&dir, &["--no-deps"])?;
    // Where everything else is built, or dependencies would be built twice.
    let target = Path::new(text(&metadata, "target_directory"));
    for package in published(&metadata) {
        let name = text(package, "name");
        for (what, words) in combinations(package) {
            let mut all = vec!["--locked", "--package", name];
            all.extend(words.iter().map(String::as_str));
            results.add(&format!("{name} {what}"), check(&dir, target, &all)?)?;
        }
    }
    Ok(())
}

/// What the combinations are called, and how cargo is told.
fn combinations(package: &Value) -> Vec<(String, Vec<String>)> {
    let none = "--no-default-features".to_owned();
    let mut all = vec![("without features".to_owned(), vec![none.clone()])];
    let features = package.get("features").and_then(Value::as_object);
    let names: Vec<&String> =
        features.into_iter().flat_map(|f| f.keys()).filter(|name| *name != "default").collect();
    for name in &names {
        let words = vec![none.clone(), "--features".to_owned(), (*name).clone()];
        all.push((format!("with {name} alone"), words));
    }
    if names.len() > 1 {
        all.push(("with all features".to_owned(), vec!["--all-features".to_owned()]));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::combinations;

    #[test]
    fn each_feature_stands_alone_once() {
        let package = serde_json::json!({"features": {"default": [], "a": [], "b": ["a"]}});
        let words: Vec<String> = combinations(&package).iter().map(|c| c.1.join(" ")).collect();
        let none = "--no-default-features";
        assert_eq!(
            words,
            [
                none,
                &format!("{none} --features a"),
                &format!("{none} --features b"),
                "--all-features"
            ]
        );
        let package = serde_json::json!({"features": {}});
        assert_eq!(combinations(&package).len(), 1);
    }
}
