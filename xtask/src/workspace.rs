//! The repository: its root, its packages and its text files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use crate::process;

/// The repository on disk.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// What `[package.metadata] layer` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A numbered layer: may use strictly lower ones.
    Number(u64),
    /// `"dev"`: tests and tools; may use anything, nobody's product may use it.
    Dev,
    /// Not said.
    Missing,
}

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the root, as `crates/sip`.
    pub(crate) folder: String,
    /// One line from the manifest.
    pub(crate) description: String,
    pub(crate) layer: Layer,
    pub(crate) dependencies: Vec<Dependency>,
    /// Names of its examples.
    pub(crate) examples: Vec<String>,
}

/// When a dependency is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

/// One direct dependency of a package.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The package's name, not the alias.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// A path dependency, that is: one of ours.
    pub(crate) ours: bool,
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Manifest of the fuzz targets.
pub(crate) const FUZZ: &str = "fuzz/Cargo.toml";

/// Folders that hold no text of ours, besides those that cargo builds into.
const SKIPPED: &[&str] = &[".git", "corpus", "seeds", "artifacts", "node_modules"];

impl Workspace {
    /// The repository this tool was built from (cargo tells), else the nearest folder upwards with our `xtask` in it.
    pub(crate) fn find() -> Result<Self, Failure> {
        let from_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let start = match from_cargo {
            Some(folder) => folder,
            None => std::env::current_dir().map_err(|e| Failure::file(Path::new("."), e))?,
        };
        let root = start.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file());
        match root {
            Some(root) => Ok(Workspace { root: root.to_path_buf() }),
            None => Err(Failure::Missing(format!("{} is not inside the repository", start.display()))),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A file's text; `None` when there is no such file.
    pub(crate) fn read_if_there(&self, relative: &str) -> Result<Option<String>, Failure> {
        let path = self.path(relative);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Failure::file(&path, e)),
        }
    }

    /// A file's text; the file must be there.
    pub(crate) fn read(&self, relative: &str) -> Result<String, Failure> {
        let path = self.path(relative);
        std::fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, relative: &str, text: &str) -> Result<(), Failure> {
        let path = self.path(relative);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
        }
        std::fs::write(&path, text).map_err(|e| Failure::file(&path, e))
    }

    /// What `cargo metadata` says; `resolved` also brings every package of the lock file.
    pub(crate) fn metadata(&self, resolved: bool) -> Result<Value, Failure> {
        let mut command = process::cargo();
        command.current_dir(&self.root).args(["metadata", "--format-version", "1"]);
        if !resolved {
            command.arg("--no-deps");
        }
        json_of(&mut command)
    }

    /// What `cargo metadata --no-deps` says of the fuzz targets, which are a workspace of their own.
    pub(crate) fn fuzz_metadata(&self) -> Result<Value, Failure> {
        let mut command = process::cargo();
        command.current_dir(&self.root).args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--manifest-path",
            FUZZ,
        ]);
        json_of(&mut command)
    }

    /// The packages of the workspace and the fuzz targets' one.
    pub(crate) fn packages_and_fuzz(&self) -> Result<Vec<Package>, Failure> {
        let mut packages = self.packages()?;
        packages.extend(packages_of(&self.fuzz_metadata()?, &self.root));
        Ok(packages)
    }

    /// Where cargo builds.
    pub(crate) fn target_directory(&self) -> Result<PathBuf, Failure> {
        let metadata = self.metadata(false)?;
        Ok(PathBuf::from(metadata["target_directory"].as_str().unwrap_or("target")))
    }

    /// The workspace's packages, sorted by folder.
    pub(crate) fn packages(&self) -> Result<Vec<Package>, Failure> {
        Ok(packages_of(&self.metadata(false)?, &self.root))
    }

    /// Text files of the repository whose name ends in one of `endings`, sorted by path.
    pub(crate) fn text_files(&self, endings: &[&str]) -> Result<Vec<TextFile>, Failure> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(|e| Failure::file(&folder, e))?;
            for entry in entries {
                let entry = entry.map_err(|e| Failure::file(&folder, e))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = entry.path();
                let kind = entry.file_type().map_err(|e| Failure::file(&path, e))?;
                // A module may have that name as well.
                let is_built = name == "target" && folder.join("Cargo.toml").is_file();
                if kind.is_dir() && !is_built && !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                    let text = std::fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
                    found.push(TextFile { path: self.relative(&path), text });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// All Rust sources of the repository.
    pub(crate) fn sources(&self) -> Result<Vec<TextFile>, Failure> {
        self.text_files(&[".rs"])
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

fn json_of(command: &mut std::process::Command) -> Result<Value, Failure> {
    let text = process::output(command)?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::Program(process::line_of(command), format!("printed no JSON: {e}")))
}

/// Reads the packages out of `cargo metadata --no-deps`.
pub(crate) fn packages_of(metadata: &Value, root: &Path) -> Vec<Package> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut packages: Vec<Package> = list(&metadata["packages"])
        .iter()
        .map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().unwrap_or(Path::new(""));
            let layer = match &package["metadata"]["layer"] {
                Value::Number(number) => number.as_u64().map_or(Layer::Missing, Layer::Number),
                Value::String(word) if word == "dev" => Layer::Dev,
                _ => Layer::Missing,
            };
            let dependencies = list(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    ours: dependency["path"].is_string(),
                    kind: match dependency["kind"].as_str() {
                        Some("dev") => Kind::Dev,
                        Some("build") => Kind::Build,
                        _ => Kind::Normal,
                    },
                })
                .collect();
            let examples = list(&package["targets"])
                .iter()
                .filter(|target| list(&target["kind"]).contains(&Value::from("example")))
                .map(|target| text(&target["name"]))
                .collect();
            Package {
                name: text(&package["name"]),
                folder: folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().replace('\\', "/"),
                description: text(&package["description"]),
                layer,
                dependencies,
                examples,
            }
        })
        .collect();
    packages.sort_by(|a, b| a.folder.cmp(&b.folder));
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_called_target_is_of_ours_and_what_is_built_beside_a_manifest_is_not() {
        let root = std::env::temp_dir().join(format!("xtask-workspace-{}", std::process::id()));
        for file in ["Cargo.toml", "src/target/tests.rs", "src/lib.rs", "target/debug/made.rs", "fuzz/seeds/one.rs"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let workspace = Workspace { root: root.clone() };
        let found = workspace.sources().expect("read");
        std::fs::remove_dir_all(root).expect("removed");
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["src/lib.rs", "src/target/tests.rs"]);
    }
}
