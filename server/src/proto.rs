//! The messages of ZITADEL's API and of our own, as `proto/` has them.

/// Every message and service as a `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

/// Google's.
#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant)]
pub mod google {
    pub mod rpc {
        generated!("google.rpc");
    }
}

/// Our own.
#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant)]
pub mod portcullis {
    pub mod v1 {
        generated!("portcullis.v1");
    }
}

/// ZITADEL's. What is called v2beta has the messages of v2.
#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant)]
pub mod zitadel {
    pub mod v1 {
        generated!("zitadel.v1");
    }
    pub mod admin {
        pub mod v1 {
            generated!("zitadel.admin.v1");
        }
    }
    pub mod filter {
        pub mod v2 {
            generated!("zitadel.filter.v2");
        }
    }
    pub mod management {
        pub mod v1 {
            generated!("zitadel.management.v1");
        }
    }
    pub mod metadata {
        pub mod v2 {
            generated!("zitadel.metadata.v2");
        }
    }
    pub mod object {
        pub mod v2 {
            generated!("zitadel.object.v2");
        }
        pub use v2 as v2beta;
    }
    pub mod policy {
        pub mod v1 {
            generated!("zitadel.policy.v1");
        }
    }
    pub mod settings {
        pub mod v2 {
            generated!("zitadel.settings.v2");
        }
        pub use v2 as v2beta;
    }
    pub mod user {
        pub mod v1 {
            generated!("zitadel.user.v1");
        }
        pub mod v2 {
            generated!("zitadel.user.v2");
        }
        pub use v2 as v2beta;
    }
}
