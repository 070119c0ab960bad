//! `cargo xtask deps`: dependencies are chosen, not accumulated.
//!
//! Each crate named in a manifest has a row in DEPENDENCIES.md with the reason and the packages that may use it; a row
//! nobody uses goes. Every crate of the lock file, also the indirect ones, has a licence that `deny.toml` allows and is
//! not banned there. (`cargo deny` reads the same file and adds the advisory database; it is not needed to pass.)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::{Failure, Finding};
use crate::workspace::{Package, Workspace};

const PAGE: &str = "DEPENDENCIES.md";
const POLICY: &str = "deny.toml";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("deps takes no argument".into()));
    }
    let rows = rows(&workspace.read(PAGE)?);
    let policy = workspace.read(POLICY)?;
    let packages = workspace.packages_and_fuzz()?;
    let metadata = workspace.metadata(true)?;
    let mut findings = row_findings(&rows, &packages);
    findings.extend(policy_findings(&metadata, &quoted_list(&policy, "allow"), &quoted_list(&policy, "deny")));
    Failure::unless_empty(findings)?;
    let count = metadata["packages"].as_array().map_or(0, Vec::len);
    println!("deps: {} direct crates, {count} packages in the lock file", direct(&packages).len());
    Ok(())
}

/// A row of DEPENDENCIES.md: which of our folders may use the crate (`any` for all).
type Rows = BTreeMap<String, Vec<String>>;

/// Rows `| crate | why | licence | used by |`.
fn rows(text: &str) -> Rows {
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let [name, why, _, users] = cells.as_slice() else { return None };
            let users = users.split(|c: char| c == ',' || c.is_whitespace()).filter(|user| !user.is_empty());
            (!why.is_empty()).then(|| (name.trim_matches('`').to_string(), users.map(str::to_string).collect()))
        })
        .collect()
}

/// Crates of others, each with the folders (last part) of our packages that name it.
fn direct(packages: &[Package]) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let user = package.folder.rsplit('/').next().unwrap_or_default().to_string();
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.ours) {
            used.entry(dependency.name.clone()).or_default().insert(user.clone());
        }
    }
    used
}

fn row_findings(rows: &Rows, packages: &[Package]) -> Vec<Finding> {
    let used = direct(packages);
    let mut findings = Vec::new();
    for (name, users) in &used {
        match rows.get(name) {
            None => {
                let users: Vec<&str> = users.iter().map(String::as_str).collect();
                let what = format!("no row for `{name}`, used by {}", users.join(", "));
                findings.push(Finding::new(PAGE, what, "add | `crate` | why | licence | used by |, or do without it"));
            }
            Some(allowed) if allowed.iter().any(|user| user == "any") => {}
            Some(allowed) => {
                for user in users.iter().filter(|user| !allowed.contains(user)) {
                    let what = format!("`{user}` uses `{name}`, which is listed for {}", allowed.join(", "));
                    findings.push(Finding::new(PAGE, what, "add it to the row if that is meant, or do without it"));
                }
            }
        }
    }
    for name in rows.keys().filter(|name| !used.contains_key(*name)) {
        findings.push(Finding::new(PAGE, format!("nobody uses `{name}`"), "take its row out"));
    }
    findings
}

/// The strings of `key = [ "a", "b" ]` in a TOML file, comments left out; also of tables `{ name = "a" }`.
fn quoted_list(text: &str, key: &str) -> Vec<String> {
    let bare: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let Some(start) = bare.iter().position(|line| line.split('=').next().is_some_and(|word| word.trim() == key)) else {
        return Vec::new();
    };
    let body = bare.get(start..).unwrap_or_default().join("\n");
    let inside = body.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(inside, _)| inside);
    inside.split('"').skip(1).step_by(2).map(str::to_string).collect()
}

fn policy_findings(metadata: &Value, allowed: &[String], banned: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        let place = format!("{name} {version}");
        if banned.iter().any(|other| other == name) {
            findings.push(Finding::new(
                &place,
                "banned in deny.toml",
                format!("cargo tree --invert {name} shows who brings it in"),
            ));
        }
        // Ours, not published, carry the workspace's licence like everybody else.
        if !permitted(licence, allowed) {
            let what = format!("licence `{licence}` is not allowed");
            findings.push(Finding::new(
                &place,
                what,
                "do without it, or allow the licence in deny.toml after reading it",
            ));
        }
    }
    findings
}

/// An SPDX expression: one side of each OR, every part of each AND. Brackets are read; `WITH` belongs to its licence.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = either(&tokens, &mut at, allowed);
    verdict && at == tokens.len()
}

fn either(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut verdict = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= both(tokens, at, allowed);
    }
    verdict
}

fn both(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut verdict = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(tokens, at, allowed);
    }
    verdict
}

fn one(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(token) = tokens.get(*at) else { return false };
    *at += 1;
    if *token == "(" {
        let verdict = either(tokens, at, allowed);
        let closed = tokens.get(*at) == Some(&")");
        *at += 1;
        return verdict && closed;
    }
    let mut name = (*token).to_string();
    if tokens.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", tokens.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::packages_of;
    use serde_json::json;
    use std::path::Path;

    fn packages() -> Vec<Package> {
        let dependencies = json!([{ "name": "bytes" }, { "name": "offhook-sip", "path": "/r/crates/sip" }]);
        let package =
            json!({ "name": "offhook-net", "manifest_path": "/r/crates/net/Cargo.toml", "dependencies": dependencies });
        packages_of(&json!({ "packages": [package] }), Path::new("/r"))
    }

    fn found(page: &str) -> Vec<String> {
        row_findings(&rows(page), &packages()).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_crate_without_a_row_or_outside_its_row_is_refused() {
        assert_eq!(found("| `bytes` | buffers | MIT | net, sip |"), Vec::<String>::new());
        assert_eq!(found("| `bytes` | buffers | MIT | any |"), Vec::<String>::new());
        assert_eq!(found(""), ["no row for `bytes`, used by net"]);
        assert_eq!(found("| `bytes` | buffers | MIT | sip |"), ["`net` uses `bytes`, which is listed for sip"]);
        assert_eq!(found("| `bytes` | | MIT | net |"), ["no row for `bytes`, used by net"]);
    }

    #[test]
    fn a_row_nobody_uses_is_refused() {
        assert_eq!(found("| `bytes` | a | b | net |\n| `log` | a | b | any |"), ["nobody uses `log`"]);
    }

    #[test]
    fn licence_expressions_are_read_with_their_brackets() {
        let allowed: Vec<String> =
            ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(String::from).to_vec();
        for fine in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/GPL-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(permitted(fine, &allowed), "{fine}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "(MIT",
            "GPL-3.0 WITH Classpath-exception-2.0",
        ] {
            assert!(!permitted(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn banned_crates_and_licences_are_found_in_the_whole_lock_file() {
        let policy = "allow = [\n  \"MIT\", # ours\n]\n[bans]\ndeny = [{ name = \"aws-lc-sys\" }]\n";
        let (allow, deny) = (quoted_list(policy, "allow"), quoted_list(policy, "deny"));
        let metadata = json!({ "packages": [
            { "name": "a", "version": "1", "license": "MIT" },
            { "name": "aws-lc-sys", "version": "2", "license": "MIT" },
            { "name": "c", "version": "3", "license": null },
        ] });
        let places: Vec<String> =
            policy_findings(&metadata, &allow, &deny).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["aws-lc-sys 2", "c 3"]);
    }
}
