use super::*;
use crate::workspace::packages_of;
use serde_json::{Value, json};
use std::path::Path;

fn package(folder: &str, layer: Value, dependencies: &[(&str, Value)]) -> Value {
    let dependencies: Vec<Value> = dependencies
        .iter()
        .map(|(name, kind)| {
            let path = name.strip_prefix("offhook-").map(|folder| format!("/r/crates/{folder}"));
            json!({ "name": name, "kind": kind, "path": path })
        })
        .collect();
    json!({
        "name": format!("offhook-{folder}"),
        "manifest_path": format!("/r/crates/{folder}/Cargo.toml"),
        "metadata": { "layer": layer },
        "dependencies": dependencies,
        "targets": [],
    })
}

fn findings(packages: &[Value]) -> Vec<String> {
    let packages = packages_of(&json!({ "packages": packages }), Path::new("/r"));
    dependency_findings(&packages).into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
}

#[test]
fn a_dependency_that_points_down_is_fine() {
    let packages = [
        package("sip", json!(0), &[("bytes", Value::Null)]),
        package("net", json!(2), &[("offhook-sip", Value::Null), ("tokio", Value::Null)]),
    ];
    assert_eq!(findings(&packages), Vec::<String>::new());
}

#[test]
fn a_dependency_that_points_sideways_or_up_is_refused() {
    let packages = [
        package("sdp", json!(0), &[]),
        package("sip", json!(0), &[("offhook-sdp", Value::Null)]),
        package("net", json!(2), &[]),
        package("media", json!(1), &[("offhook-net", json!("build"))]),
    ];
    let found = findings(&packages);
    assert_eq!(found.len(), 2);
    assert!(
        found.contains(&"crates/sip/Cargo.toml: offhook-sip (layer 0) uses offhook-sdp (layer 0)".to_string()),
        "{found:?}"
    );
    assert!(
        found.contains(&"crates/media/Cargo.toml: offhook-media (layer 1) uses offhook-net (layer 2)".to_string()),
        "{found:?}"
    );
}

#[test]
fn tests_may_use_what_the_product_may_not() {
    let packages = [
        package("simnet", json!("dev"), &[("offhook-sip", Value::Null)]),
        package("sip", json!(0), &[("offhook-simnet", json!("dev"))]),
    ];
    assert_eq!(findings(&packages), Vec::<String>::new());
    let packages = [package("simnet", json!("dev"), &[]), package("ua", json!(3), &[("offhook-simnet", Value::Null)])];
    assert_eq!(findings(&packages), ["crates/ua/Cargo.toml: offhook-ua (layer 3) uses offhook-simnet (layer dev)"]);
}

#[test]
fn a_package_without_a_layer_and_an_impure_crate_in_a_pure_one_are_refused() {
    let packages = [package("ice", Value::Null, &[]), package("proxy", json!(1), &[("tracing", Value::Null)])];
    assert_eq!(
        findings(&packages),
        ["crates/ice/Cargo.toml: no layer", "crates/proxy/Cargo.toml: a pure layer depends on `tracing`"]
    );
}

fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.into(), text: text.into() }
}

#[test]
fn unsafe_is_allowed_only_where_the_list_says_why() {
    let sources = [
        file("crates/net/src/batch.rs", "#![allow(unsafe_code)]\n"),
        file("crates/rtp/src/fast.rs", "#[allow(dead_code, unsafe_code)]\nfn a() {}"),
        file("crates/sip/src/lib.rs", "// #![allow(unsafe_code)]\nconst A: &str = \"#![allow(unsafe_code)]\";"),
    ];
    let places =
        |list: &str| unsafe_findings(&sources, list).into_iter().map(|finding| finding.place).collect::<Vec<_>>();
    assert_eq!(places("crates/net/src/batch.rs batched system calls\n"), ["crates/rtp/src/fast.rs"]);
    assert_eq!(places("crates/net/src/batch.rs\ncrates/rtp/src/fast.rs x\n"), ["crates/net/src/batch.rs"]);
    assert_eq!(places("# ours\ncrates/net/src/batch.rs x\ncrates/rtp/src/fast.rs x\ngone.rs x\n"), [UNSAFE_LIST]);
}

#[test]
fn a_pure_layer_cannot_switch_its_rules_off_but_its_tests_can() {
    let packages = packages_of(
        &json!({ "packages": [package("sip", json!(0), &[]), package("net", json!(2), &[])] }),
        Path::new("/r"),
    );
    let text = "#[expect(clippy::disallowed_methods)]\nfn a() {}";
    let sources =
        [file("crates/sip/src/a.rs", text), file("crates/sip/src/a/tests.rs", text), file("crates/net/src/a.rs", text)];
    let places: Vec<String> = escape_findings(&sources, &packages).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["crates/sip/src/a.rs"]);
}

#[test]
fn the_pure_clippy_file_repeats_the_root_and_adds_the_clock() {
    let text = purity::clippy_toml("allow-unwrap-in-tests = true\n");
    assert!(text.contains("\nallow-unwrap-in-tests = true\ndisallowed-methods = [\n"), "{text}");
    assert!(text.contains("std::time::Instant::now"), "{text}");
}

#[test]
fn the_table_of_crates_comes_from_the_manifests() {
    let packages = packages_of(
        &json!({ "packages": [package("net", json!(2), &[("offhook-sip", Value::Null)]), package("sip", json!(0), &[])] }),
        Path::new("/r"),
    );
    let page = format!("a\n{TABLE_BEGINS}old\n{TABLE_ENDS}\nb\n");
    let written = with_table(&page, &packages).expect("the page has the marks");
    assert!(written.contains("| `crates/sip` | 0 |  | - |\n| `crates/net` | 2 |  | sip |\n"), "{written}");
    assert_eq!(with_table(&written, &packages), Some(written));
    assert_eq!(with_table("a", &packages), None);
}
