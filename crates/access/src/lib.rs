//! Who may do what: IAM's roles, users and policies.
