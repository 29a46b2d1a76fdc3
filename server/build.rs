//! Turns the .proto files into messages and into one descriptor set. Calls and routes are the table
//! `wire::calls`; nothing is generated for them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const FILES: [&str; 11] = [
    "google/rpc/status.proto",
    "portcullis/v1/attempt_service.proto",
    "portcullis/v1/directory_service.proto",
    "portcullis/v1/event_service.proto",
    "portcullis/v1/lock_service.proto",
    "zitadel/message.proto",
    "zitadel/management.proto",
    "zitadel/admin.proto",
    "zitadel/settings/v2/settings_service.proto",
    "zitadel/user/v2/user_service.proto",
    "zitadel/metadata/v2/metadata.proto",
];

/// Their messages are the v2 ones under another name: the code has them once, the descriptors twice.
const BETA_FILES: [&str; 2] =
    ["zitadel/settings/v2beta/settings_service.proto", "zitadel/user/v2beta/user_service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?.open_files(BETA_FILES)?;

    prost_build::Config::new()
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .extern_path(".zitadel.object.v2beta", "crate::proto::zitadel::object::v2")
        .extern_path(".zitadel.settings.v2beta", "crate::proto::zitadel::settings::v2")
        .extern_path(".zitadel.user.v2beta", "crate::proto::zitadel::user::v2")
        .compile_fds(compiler.file_descriptor_set())?;

    // Encoded by the compiler itself: it keeps `google.api.http`, which prost's types would drop.
    let set = compiler.include_source_info(false).encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), set)?;
    Ok(())
}
