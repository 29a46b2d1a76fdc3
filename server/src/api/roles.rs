//! Roles and what they permit: ZITADEL's defaults, and two roles for login services.

use std::fmt;
use std::str::FromStr;

/// Something that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `policy.read`
    PolicyRead,
    /// `policy.write`
    PolicyWrite,
    /// `policy.delete`
    PolicyDelete,
    /// `iam.policy.read`
    IamPolicyRead,
    /// `iam.policy.write`
    IamPolicyWrite,
    /// `user.read`
    UserRead,
    /// `user.write`
    UserWrite,
    /// `user.register`: adds users, and does nothing to those there are. This and what follows are not
    /// ZITADEL's.
    UserRegister,
    /// `org.write`
    OrgWrite,
    /// `attempt.write`: begins and settles attempts.
    AttemptWrite,
    /// `attempt.client.write`: is believed about where an attempt comes from.
    ClientWrite,
    /// `events.read`
    EventsRead,
}

/// Generates the roles with their names, whether they are the instance's, and their permissions.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident $name:literal: $($permission:ident)*;)*) => {
        /// A role.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $($(#[$doc])* $role,)*
        }

        impl Role {
            /// All roles.
            pub const ALL: &'static [Self] = &[$(Self::$role),*];

            /// Its name, as ZITADEL has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$role => $name,)*
                }
            }

            /// What it permits.
            #[must_use]
            pub const fn permissions(self) -> &'static [Permission] {
                match self {
                    $(Self::$role => &[$(Permission::$permission),*],)*
                }
            }
        }
    };
}

roles! {
    /// Everything, everywhere.
    IamOwner "IAM_OWNER": PolicyRead PolicyWrite PolicyDelete IamPolicyRead IamPolicyWrite UserRead UserWrite
        UserRegister OrgWrite AttemptWrite EventsRead;
    /// Reads everything.
    IamOwnerViewer "IAM_OWNER_VIEWER": PolicyRead IamPolicyRead UserRead EventsRead;
    /// Manages every organization.
    IamOrgManager "IAM_ORG_MANAGER": PolicyRead PolicyWrite PolicyDelete UserRead UserWrite
        UserRegister OrgWrite;
    /// Manages the users of every organization.
    IamUserManager "IAM_USER_MANAGER": UserRead UserWrite UserRegister;
    /// Logs users in.
    IamLoginClient "IAM_LOGIN_CLIENT": PolicyRead IamPolicyRead UserRead UserWrite;
    /// Logs users in by attempts, anywhere: what a login service needs and nothing more.
    IamLoginService "IAM_LOGIN_SERVICE": UserRegister AttemptWrite ClientWrite EventsRead;
    /// Everything in an organization.
    OrgOwner "ORG_OWNER": PolicyRead PolicyWrite PolicyDelete UserRead UserWrite
        UserRegister AttemptWrite EventsRead;
    /// Reads everything in an organization.
    OrgOwnerViewer "ORG_OWNER_VIEWER": PolicyRead UserRead EventsRead;
    /// Manages the users of an organization.
    OrgUserManager "ORG_USER_MANAGER": PolicyRead UserRead UserWrite UserRegister;
    /// Logs users of an organization in by attempts.
    OrgLoginService "ORG_LOGIN_SERVICE": UserRegister AttemptWrite ClientWrite EventsRead;
    /// Manages the settings of an organization.
    OrgSettingsManager "ORG_SETTINGS_MANAGER": PolicyRead PolicyWrite PolicyDelete;
    /// Edits who may do what in an organization.
    OrgUserPermissionEditor "ORG_USER_PERMISSION_EDITOR": PolicyRead UserRead;
    /// Edits who may do what in projects.
    OrgProjectPermissionEditor "ORG_PROJECT_PERMISSION_EDITOR": PolicyRead UserRead;
    /// Makes projects.
    OrgProjectCreator "ORG_PROJECT_CREATOR": PolicyRead;
    /// Owns a project.
    ProjectOwner "PROJECT_OWNER": PolicyRead UserRead;
    /// Reads a project.
    ProjectOwnerViewer "PROJECT_OWNER_VIEWER": PolicyRead UserRead;
    /// Owns the grant of a project.
    ProjectGrantOwner "PROJECT_GRANT_OWNER": PolicyRead UserRead;
    /// Reads the grant of a project.
    ProjectGrantOwnerViewer "PROJECT_GRANT_OWNER_VIEWER": PolicyRead UserRead;
    /// Owns projects of its own.
    ProjectOwnerGlobal "PROJECT_OWNER_GLOBAL": PolicyRead;
    /// Reads projects of its own.
    ProjectOwnerViewerGlobal "PROJECT_OWNER_VIEWER_GLOBAL": PolicyRead;
    /// Manages itself.
    SelfManagementGlobal "SELF_MANAGEMENT_GLOBAL": PolicyRead;
    /// Manages itself in an organization.
    OrgUserSelfManager "ORG_USER_SELF_MANAGER": PolicyRead;
}

impl Role {
    /// Whether it may be given on the instance; the others are given on an organization.
    #[must_use]
    pub fn is_of_instance(self) -> bool {
        self.name().starts_with("IAM_")
    }

    /// Whether it permits something.
    #[must_use]
    pub fn permits(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|role| role.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|role| role.name()).collect();
            format!("there is no role {name:?}; the roles are {}", names.join(", "))
        })
    }
}
