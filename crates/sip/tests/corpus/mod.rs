//! The messages of the test data.

/// Every message, each a file's content, in the order of the files' names.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let data = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let mut files = Vec::new();
    for folder in ["parse", "rfc4475", "rfc5118/wire"] {
        let entries = std::fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    files.sort();
    assert_eq!(files.len(), 66);
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}
