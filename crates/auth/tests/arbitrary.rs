//! Whatever comes, every reader gives an answer or an error, and never a panic. `fuzz/` does the same
//! for longer.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use dunlin_auth::fuzz;

/// Good inputs, to be spoilt.
const GOOD: [&[u8]; 9] = [
    b"topic read a/#\nuser u\ntopic deny b\npattern write %u/%c/+\n",
    b"alice:$6$JhtbaV8J4Q7Kv88b$jPPNgcZSYAOKTcypt8feXQ==\nbob:$7$101$LS7ND461$vmOh5vtLhALu\n",
    b"carol:$argon2id$v=19$m=8,t=1,p=1$PFgPrWThw+tFlJiv6RbDaQ$CmmxTx3ZYGVRb2P0ZgfzD5fSOkuwYxXulLCEADKebcs\n",
    b"dave:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxfQ.AAAA",
    br#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "oct", "k": "AQAB"}]}"#,
    br#"{"result": "allow", "acl": {"pub": ["a/#"], "sub": ["%c"]}, "expires_at": 1}"#,
    b"n,,n=us=2Cer,r=abc",
    include_bytes!("data/client.der"),
];

#[test]
fn no_reader_panics() {
    let mut state: u64 = 0x853c_49e6_748f_ea9b;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for good in GOOD {
        fuzz::check(good);
        for _ in 0..2_000 {
            let mut bytes = good.to_vec();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] = random(256) as u8,
                    2 => bytes.insert(at, random(256) as u8),
                    _ => {
                        let from = random(bytes.len());
                        let part = bytes[from.min(at)..from.max(at)].to_vec();
                        bytes.extend_from_slice(&part);
                    }
                }
            }
            fuzz::check(&bytes);
        }
    }
}
