//! `on_after_register` and its kin: here they count, and print what would go out by e-mail.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sessile::accounts::{AccountEvent, AccountHooks, Entry, Grant, HookFuture};

#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Hooks {
    /// How often each has been called.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AccountHooks for Hooks {
    fn on(&self, event: AccountEvent) -> HookFuture {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name(&event)).or_default() +=
            1;
        // A real one sends it, and shows it to nobody else.
        match &event {
            AccountEvent::VerifyRequested { user, token, .. } => {
                println!(
                    "To {}: confirm your address: POST /auth/verify/{}",
                    user.email,
                    token.expose()
                );
            }
            AccountEvent::ForgotPassword { user, token, .. } => {
                println!(
                    "To {}: choose a new password with the token {}",
                    user.email,
                    token.expose()
                );
            }
            AccountEvent::RegisteredAgain { user, .. } => {
                println!("To {}: somebody tried to register with your address", user.email);
            }
            _ => {}
        }
        Box::pin(async {})
    }
}

/// By the names of `FastAuth`.
const fn name(event: &AccountEvent) -> &'static str {
    match event {
        AccountEvent::Registered { .. } => "on_after_register",
        AccountEvent::RegisteredAgain { .. } => "on_after_register_again",
        AccountEvent::LoggedIn { .. } => "on_after_login",
        AccountEvent::Updated { .. } => "on_after_user_update",
        AccountEvent::VerifyRequested { .. } => "on_after_request_verify",
        AccountEvent::Verified { .. } => "on_after_verify",
        AccountEvent::ForgotPassword { .. } => "on_after_forgot_password",
        AccountEvent::PasswordReset { .. } => "on_after_reset_password",
        AccountEvent::PasswordChanged { .. } => "on_after_change_password",
        AccountEvent::Deleting { .. } => "on_before_user_delete",
        AccountEvent::Deleted { .. } => "on_after_user_delete",
        AccountEvent::Created { entry: Entry::Role(_), .. } => "on_after_role_create",
        AccountEvent::Created { .. } => "on_after_permission_create",
        AccountEvent::Described { entry: Entry::Role(_), .. } => "on_after_role_update",
        AccountEvent::Described { .. } => "on_after_permission_update",
        AccountEvent::Removed { entry: Entry::Role(_), .. } => "on_after_role_delete",
        AccountEvent::Removed { .. } => "on_after_permission_delete",
        AccountEvent::Granted { grant: Grant::PermissionOfRole(..), .. }
        | AccountEvent::Withdrawn { grant: Grant::PermissionOfRole(..), .. } => {
            "on_after_role_permissions_update"
        }
        AccountEvent::Granted { .. } | AccountEvent::Withdrawn { .. } => {
            "on_after_user_grants_update"
        }
        _ => "on_after_something_new",
    }
}
