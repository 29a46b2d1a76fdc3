//! The table against the .proto files.

use std::collections::BTreeSet;

use prost_reflect::Value;

use crate::wire::call::{DESCRIPTORS, Route};
use crate::wire::calls::CALLS;

/// Which method and path the .proto files give each call, with the prefix of its service.
fn annotated() -> BTreeSet<(String, String, String)> {
    let http = DESCRIPTORS.get_extension_by_name("google.api.http").unwrap();
    let mut routes = BTreeSet::new();
    for service in DESCRIPTORS.services() {
        let prefix = match service.package_name() {
            "zitadel.management.v1" => "/management/v1",
            "zitadel.admin.v1" => "/admin/v1",
            _ => "",
        };
        for method in service.methods() {
            let options = method.options();
            let rule = options.get_extension(&http);
            let Value::Message(rule) = rule.as_ref() else { panic!() };
            let (field, path) =
                rule.fields().find(|(field, _)| field.containing_oneof().is_some()).unwrap();
            let rpc = format!("/{}/{}", service.full_name(), method.name());
            let verb = field.name().to_ascii_uppercase();
            let has_body = matches!(verb.as_str(), "POST" | "PUT");
            let body = rule.get_field_by_name("body").unwrap();
            assert_eq!(body.as_str().unwrap(), if has_body { "*" } else { "" }, "{rpc}");
            routes.insert((rpc, verb, format!("{prefix}{}", path.as_str().unwrap())));
        }
    }
    routes
}

#[test]
fn the_table_has_every_call_of_the_proto_files_where_they_put_it() {
    let table: BTreeSet<_> = CALLS
        .iter()
        .map(|call| (call.rpc.to_owned(), call.verb.to_string(), call.path.to_owned()))
        .collect();
    assert_eq!(table, annotated());
    assert_eq!(table.len(), 39);
}

#[test]
fn every_call_has_its_descriptors() {
    assert!(CALLS.iter().all(|call| Route::new(call).is_some()));
}
