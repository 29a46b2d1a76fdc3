//! `docs/configuration.md` says what the table of settings says.

use std::fs;

use portcullis_server::config::TABLE;

#[test]
fn every_setting_is_documented_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = fs::read_to_string(path).unwrap();
    let written: Vec<_> = text.lines().filter(|line| line.starts_with("| `--")).collect();
    let expected: Vec<_> = TABLE
        .iter()
        .map(|setting| {
            let default = setting.default.map_or_else(|| "-".into(), |text| format!("`{text}`"));
            format!(
                "| `--{} {}` | `{}` | `{}` | {default} | {} |",
                setting.flag(),
                setting.form,
                setting.variable(),
                setting.key,
                setting.help.trim()
            )
        })
        .collect();
    assert_eq!(written, expected, "the table should be:\n{}", expected.join("\n"));
}
