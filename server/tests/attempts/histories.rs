//! Histories, a step a line. `settle` names its attempt by the number of its `begin`.

/// Whose organization a user is of.
pub(crate) fn org_of(name: &str) -> &'static str {
    if name == "hank" { "globex" } else { "acme" }
}

pub(crate) const TABLE: [(&str, &str); 16] = [
    (
        "the failure that reaches the limit locks, and what comes then is locked",
        "default 3 5 hidden; record ada password failure; begin ada password; settle 0 failure;
         begin ada password; begin ada totp; settle 1 failure; status ada;
         settle 2 success; record ada password success; record ada totp failure; status ada",
    ),
    (
        "the same where failures are shown",
        "default 3 5 shown; record ada password failure; begin ada password; settle 0 failure;
         begin ada password; begin ada totp; settle 1 failure; settle 2 success;
         record ada password success; begin ada password; status ada",
    ),
    (
        "no more are checked at once than may still fail",
        "default 2 5 shown; begin ada password; begin ada password; begin ada password;
         record ada password failure; begin ada totp; settle 0 failure; begin ada password;
         settle 1 success; begin ada password; settle 4 failure; status ada",
    ),
    (
        "one attempt has one answer",
        "begin ada password; settle 0 failure; settle 0 failure; settle 0 success;
         settle 0 cancelled; status ada; begin ada password; settle 1 success; settle 1 failure;
         begin ada totp; settle 2 cancelled; settle 2 failure; status ada",
    ),
    (
        "cancelling gives the slot back and counts nothing",
        "default 1 1 shown; begin ada password; begin ada password; settle 0 cancelled;
         begin ada password; settle 2 failure; begin ada password; status ada",
    ),
    (
        "a success clears its own factor only",
        "record ada password failure; record ada totp failure; record ada otp_sms failure;
         record ada otp_email failure; record ada recovery_code failure; status ada;
         record ada password success; status ada; begin ada otp_sms; settle 0 success; status ada",
    ),
    (
        "0 never locks and counts all the same",
        "default 0 0 shown; record ada password failure; record ada password failure;
         begin ada password; begin ada password; begin ada password; settle 0 failure;
         settle 1 failure; settle 2 failure; status ada; default 3 0 shown; begin ada password;
         begin ada password; settle 3 failure; status ada",
    ),
    (
        "an unlock voids what was begun before",
        "begin ada password; begin ada totp; lock ada; begin ada password; unlock ada;
         settle 0 failure; settle 1 success; status ada; record ada password failure; status ada",
    ),
    (
        "an administrator's lock keeps the counters, and is said twice in vain",
        "record ada password failure; lock ada; lock ada; record ada password failure; status ada;
         unlock ada; unlock ada; status ada",
    ),
    (
        "a new credential voids its own factor, and does not unlock",
        "record ada password failure; record ada totp failure; begin ada password; begin ada totp;
         credential ada password; settle 0 failure; settle 1 failure; status ada; lock ada;
         credential ada totp; status ada; begin ada password",
    ),
    (
        "who was removed and comes back brings nothing along",
        "default 2 2 shown; begin ada password; record ada password failure; settle 0 failure;
         status ada; begin ada password; remove ada; settle 0 success; settle 1 success;
         status ada; record ada password failure; status ada",
    ),
    (
        "who is deactivated is as locked, at the begin and at the end",
        "default 5 5 shown; begin ada password; begin ada totp; record ada password failure;
         deactivate ada; deactivate ada; settle 0 success; settle 1 failure; begin ada password;
         record ada password failure; status ada; reactivate ada; settle 0 success; status ada;
         record ada password failure",
    ),
    (
        "the same where failures are hidden",
        "begin ada password; deactivate ada; settle 0 success; begin ada password; lock ada;
         record ada password success; status ada; reactivate ada; begin ada password",
    ),
    (
        "the limit is that of the moment, and of the user's organization",
        "policy acme 2 2 shown; begin ada password; begin ada password; begin hank password;
         policy acme 4 2 shown; settle 0 failure; settle 2 failure; begin ada password;
         policy acme 1 1 hidden; settle 1 failure; settle 3 failure; reset acme; status ada;
         status hank; status bob; reset acme",
    ),
    (
        "a limit that was lowered leaves one check at a time",
        "default 9 9 shown; record ada password failure; record ada password failure;
         record ada password failure; default 2 2 shown; begin ada password; begin ada password;
         settle 0 success; status ada; record ada password failure; record ada password failure;
         record ada password failure",
    ),
    (
        "one user is not another",
        "default 2 2 hidden; record ada password failure; record bob password failure;
         record ada password failure; record bob password success; record hank password failure;
         status ada; status bob; status hank; unlock ada; status ada; status bob",
    ),
];

/// As many steps, drawn from a seed: the same ones each time.
pub(crate) fn drawn(seed: u64, steps: usize) -> Vec<String> {
    let mut state = seed;
    let mut draw = |below: u64| {
        // Knuth's multiplier; the high bits are the random ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below).unwrap()
    };
    let mut begun = 0;
    let mut step = || {
        let name = ["ada", "ada", "bob", "hank"][draw(4)];
        let factor = ["password", "password", "totp", "otp_sms", "recovery_code"][draw(5)];
        let what = ["failure", "failure", "failure", "success", "cancelled"][draw(5)];
        match draw(20) {
            0..=5 => {
                begun += 1;
                format!("begin {name} {factor}")
            }
            6..=11 if begun > 0 => {
                let at = begun - 1 - draw(8).min(begun - 1);
                format!("settle {at} {what}")
            }
            12..=13 => {
                format!(
                    "record {name} {factor} {}",
                    if what == "success" { what } else { "failure" }
                )
            }
            14 => format!("{} {name}", ["lock", "unlock"][draw(2)]),
            15 => format!("unlock {name}"),
            16 => format!("{} {name}", ["remove", "deactivate", "reactivate"][draw(3)]),
            17 => format!("credential {name} {factor}"),
            18 => {
                let (limits, shown) = ([0, 1, 2, 3, 7], ["hidden", "shown"][draw(2)]);
                let (password, otp) = (limits[draw(5)], limits[draw(5)]);
                match draw(3) {
                    0 => format!("policy acme {password} {otp} {shown}"),
                    1 => format!("default {password} {otp} {shown}"),
                    _ => String::from("reset acme"),
                }
            }
            _ => format!("status {name}"),
        }
    };
    (0..steps).map(|_| step()).collect()
}
