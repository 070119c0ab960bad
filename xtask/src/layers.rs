//! `cargo xtask layers`: what the compiler cannot hold about who may use whom and what.
//!
//! - Every package states its layer in `[package.metadata]`; a normal or build dependency points to a strictly lower one.
//! - Layers 0 and 1 name no crate that brings I/O, a clock, logging or serialisation ([`IMPURE`]), and carry a
//!   `clippy.toml` that disallows the standard library's own. Clippy takes the `clippy.toml` nearest to the manifest and
//!   reads no other, so those files repeat the root's lines; `cargo xtask layers --write` writes them.
//! - `allow(unsafe_code)` stands only in the files of `xtask/unsafe-files.txt`.

use crate::failure::{Failure, Finding};
use crate::source;
use crate::workspace::{Kind, Layer, Package, TextFile, Workspace};

mod purity;

/// The page whose table of crates is written from the manifests, between two marks.
const PAGE: &str = "ARCHITECTURE.md";
const TABLE_BEGINS: &str = "<!-- crates: written by cargo xtask layers --write -->\n";
const TABLE_ENDS: &str = "<!-- end of crates -->";

const UNSAFE_LIST: &str = "xtask/unsafe-files.txt";

/// Highest layer that must stay pure.
const PURE: u64 = 1;

/// Crates that a pure layer must not depend on.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "nix",
    "libc",
    "rustix",
    "async-io",
    "smol",
    "log",
    "tracing",
    "tracing-subscriber",
    "serde",
    "serde_json",
    "toml",
    "getrandom",
    "chrono",
    "hickory-resolver",
    "rustls",
    "rusqlite",
    "crossbeam-channel",
    "rayon",
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let write = match arguments {
        [] => false,
        [word] if word == "--write" => true,
        _ => return Err(Failure::Usage("layers takes `--write` or nothing".into())),
    };
    let packages = workspace.packages()?;
    let expected = purity::clippy_toml(&workspace.read("clippy.toml")?);
    let mut findings = dependency_findings(&packages);
    for package in packages.iter().filter(|package| is_pure(package)) {
        let path = format!("{}/clippy.toml", package.folder);
        let found = workspace.read_if_there(&path)?;
        if found.as_deref() != Some(expected.as_str()) {
            if write {
                workspace.write(&path, &expected)?;
                println!("layers: wrote {path}");
            } else {
                let what =
                    "not the clippy.toml of a pure layer (missing, or not the root's settings and the pure ones)";
                findings.push(Finding::new(path, what, "cargo xtask layers --write"));
            }
        }
    }
    let page = workspace.read(PAGE)?;
    match with_table(&page, &packages) {
        None => findings.push(Finding::new(
            PAGE,
            "no place for the table of crates",
            format!("add {TABLE_BEGINS}{TABLE_ENDS}"),
        )),
        Some(wanted) if wanted == page => {}
        Some(wanted) if write => workspace.write(PAGE, &wanted)?,
        Some(_) => findings.push(Finding::new(
            PAGE,
            "the table of crates is not what the manifests say",
            "cargo xtask layers --write",
        )),
    }
    let sources = workspace.sources()?;
    findings.extend(unsafe_findings(&sources, &workspace.read(UNSAFE_LIST)?));
    findings.extend(escape_findings(&sources, &packages));
    Failure::unless_empty(findings)?;
    let pure = packages.iter().filter(|package| is_pure(package)).count();
    println!("layers: {} packages, {pure} of them pure", packages.len());
    Ok(())
}

fn is_pure(package: &Package) -> bool {
    matches!(package.layer, Layer::Number(number) if number <= PURE)
}

/// The page with the table of crates as it should be; `None` when it has no place for one.
fn with_table(page: &str, packages: &[Package]) -> Option<String> {
    let (before, rest) = page.split_once(TABLE_BEGINS)?;
    let (_, after) = rest.split_once(TABLE_ENDS)?;
    let mut rows: Vec<&Package> = packages.iter().collect();
    rows.sort_by_key(|package| match package.layer {
        Layer::Number(number) => (number, &package.folder),
        Layer::Dev | Layer::Missing => (u64::MAX, &package.folder),
    });
    let mut table = String::from("| folder | layer | what it is | uses |\n|---|---|---|---|\n");
    for package in rows {
        let ours = package.dependencies.iter().filter(|dependency| dependency.ours && dependency.kind == Kind::Normal);
        let uses: Vec<&str> = ours.map(|dependency| dependency.name.trim_start_matches("offhook-")).collect();
        let uses = if uses.is_empty() { "-".to_string() } else { uses.join(" ") };
        table.push_str(&format!(
            "| `{}` | {} | {} | {uses} |\n",
            package.folder,
            shown(package.layer),
            package.description
        ));
    }
    Some(format!("{before}{TABLE_BEGINS}{table}{TABLE_ENDS}{after}"))
}

/// Layers missing, dependencies that point sideways or up, impure crates in pure layers.
fn dependency_findings(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let place = format!("{}/Cargo.toml", package.folder);
        if package.layer == Layer::Missing {
            findings.push(Finding::new(
                &place,
                "no layer",
                "add `[package.metadata]` with `layer = N` (or \"dev\" for tests and tools)",
            ));
        }
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != Kind::Dev) {
            if is_pure(package) && IMPURE.contains(&dependency.name.as_str()) {
                let what = format!("a pure layer depends on `{}`", dependency.name);
                findings.push(Finding::new(
                    &place,
                    what,
                    "do the I/O, timing or logging in `net` or above and pass the result in",
                ));
            }
            let target = packages.iter().find(|other| other.name == dependency.name);
            if let Some(target) = target.filter(|target| dependency.ours && !may_use(package.layer, target.layer)) {
                let layer = |package: &Package| format!("{} (layer {})", package.name, shown(package.layer));
                let what = format!("{} uses {}", layer(package), layer(target));
                let mend = "a dependency points to a strictly lower layer: move the code, not the number";
                findings.push(Finding::new(&place, what, mend));
            }
        }
    }
    findings
}

fn may_use(user: Layer, used: Layer) -> bool {
    match (user, used) {
        (Layer::Number(user), Layer::Number(used)) => user > used,
        (Layer::Number(_), Layer::Dev) => false,
        // A layer that is not stated has its own finding.
        (Layer::Dev | Layer::Missing, _) | (_, Layer::Missing) => true,
    }
}

fn shown(layer: Layer) -> String {
    match layer {
        Layer::Number(number) => number.to_string(),
        Layer::Dev => "dev".into(),
        Layer::Missing => "not stated".into(),
    }
}

/// `allow(unsafe_code)` outside the list, and listed files that no longer need it.
fn unsafe_findings(sources: &[TextFile], list: &str) -> Vec<Finding> {
    let listed: Vec<(&str, &str)> = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let uses: Vec<&TextFile> = sources.iter().filter(|file| relaxes(&file.text, "unsafe_code")).collect();
    let mut findings: Vec<Finding> = uses
        .iter()
        .filter(|file| !listed.iter().any(|(path, reason)| *path == file.path && !reason.trim().is_empty()))
        .map(|file| {
            let what = "allows unsafe code and is not listed with a reason";
            Finding::new(
                &file.path,
                what,
                format!("write it without unsafe, or add `{} REASON` to {UNSAFE_LIST}", file.path),
            )
        })
        .collect();
    for (path, _) in listed.iter().filter(|(path, _)| !uses.iter().any(|file| file.path == *path)) {
        findings.push(Finding::new(UNSAFE_LIST, format!("{path} allows no unsafe code"), "take its line out"));
    }
    findings
}

/// Product code of a pure layer that switches its clippy rules off.
fn escape_findings(sources: &[TextFile], packages: &[Package]) -> Vec<Finding> {
    let pure: Vec<String> =
        packages.iter().filter(|package| is_pure(package)).map(|package| format!("{}/src/", package.folder)).collect();
    let is_test = |path: &str| path.ends_with("tests.rs") || path.contains("/tests/");
    sources
        .iter()
        .filter(|file| pure.iter().any(|folder| file.path.starts_with(folder)) && !is_test(&file.path))
        .filter(|file| relaxes(&file.text, "disallowed_methods") || relaxes(&file.text, "disallowed_types"))
        .map(|file| {
            Finding::new(
                &file.path,
                "a pure layer switches its purity rules off",
                "pass the time, the bytes or the seed in as an argument",
            )
        })
        .collect()
}

/// Is there an `allow(..)` or `expect(..)` attribute that names `lint`?
fn relaxes(text: &str, lint: &str) -> bool {
    let bare = source::without_comments_and_strings(text);
    bare.split("#[").chain(bare.split("#![")).skip(1).any(|part| {
        let attribute = part.split(']').next().unwrap_or_default();
        (attribute.contains("allow") || attribute.contains("expect"))
            && attribute.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == lint)
    })
}

#[cfg(test)]
mod tests;
