//! Three processes of eight threads each, at one user, with guesses and right passwords; each of them is
//! killed or frozen at random moments, again and again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, PostgresJournal};
use portcullis::{AttemptInfo, DurableEngine, Factor, Verdict};
use tokio::runtime::Handle;

use super::history::{Call, LIMIT, Told, check};
use super::ticks::{self, Ticks};
use super::{open, org, postgres, user};

const PROCESSES: usize = 3;
const THREADS: usize = 8;

/// How many times to kill and to freeze in all: `PORTCULLIS_KILLS`, or 18.
fn kills() -> u64 {
    std::env::var("PORTCULLIS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(18)
}

/// The child: each thread attempts and settles, and tells each call before and after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_until_killed() {
    let Ok(url) = std::env::var("PORTCULLIS_FLEET_URL") else { return };
    let port = std::env::var("PORTCULLIS_FLEET_TICKS").unwrap().parse().unwrap();
    let engine = loop {
        // The server may be busy with a start of another.
        if let Ok(journal) = PostgresJournal::connect(&url).await
            && let Ok(engine) = DurableEngine::open_existing(journal).await
        {
            break Arc::new(engine);
        }
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (engine, handle, ticks) = (Arc::clone(&engine), Handle::current(), Ticks::of(port));
            thread::spawn(move || play(&engine, &handle, ticks, number))
        })
        .collect();
    for thread in threads {
        // None of them ends by itself.
        tokio::task::block_in_place(|| thread.join().unwrap());
    }
}

fn play(engine: &Arc<DurableEngine>, handle: &Handle, mut ticks: Ticks, thread: usize) {
    let ada = user("ada");
    for number in 0_u64.. {
        let name = format!("{}-{thread}-{number}", std::process::id());
        let before = engine.health().position;
        let attempt = match engine.begin_owned(&org(), &ada, Factor::Password) {
            Admission::Admitted(attempt) => attempt,
            Admission::Locked(_) if number % 4 == 0 => {
                let called = ticks.next();
                tell(format_args!("CALL {name} {called} 0 0"));
                let unlocked = handle.block_on(engine.unlock(&ada));
                let returned = ticks.next();
                if let Ok(details) = unlocked {
                    tell(format_args!("TOLD {name} {returned} unlocked {}", details.sequence));
                }
                continue;
            }
            _ => {
                thread::sleep(Duration::from_millis(1)); // as who asks again later
                continue;
            }
        };
        // What an event has changed is seen before its position is.
        let after = engine.health().position + 1;
        let info = AttemptInfo { request_id: Some(name.clone()), ..AttemptInfo::default() };
        let attempt = attempt.with_info(info);
        let called = ticks.next();
        tell(format_args!("CALL {name} {called} {before} {after}"));
        let right = (number + thread as u64).is_multiple_of(5);
        let settled = if right {
            handle.block_on(attempt.succeed())
        } else {
            handle.block_on(attempt.fail())
        };
        let returned = ticks.next();
        let told = match settled {
            Ok(Verdict::Rejected { failures, locked, .. }) => {
                format!("rejected {failures} {locked}")
            }
            Ok(Verdict::Accepted) => String::from("accepted"),
            Ok(Verdict::Locked(_)) => String::from("locked"),
            Ok(Verdict::Superseded) => String::from("superseded"),
            Err(fault) => {
                tell(format_args!("FAULT {fault}"));
                continue;
            }
        };
        tell(format_args!("TOLD {name} {returned} {told}"));
    }
}

/// One write a line: a process that is killed leaves none in halves.
fn tell(line: std::fmt::Arguments<'_>) {
    static OUTPUT: Mutex<()> = Mutex::new(());
    let _turn = OUTPUT.lock().unwrap();
    let mut output = std::io::stdout();
    output.write_all(format!("{line}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

/// A process that ends with the test.
struct Process(Child);

impl Process {
    /// Starts one, whose lines go to `told`.
    fn start(url: &str, port: u16, told: Sender<(usize, String)>, number: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fleet::attempts_until_killed", "--nocapture"])
            .env("PORTCULLIS_FLEET_URL", url)
            .env("PORTCULLIS_FLEET_TICKS", port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pass = move |lines: std::io::Lines<BufReader<ChildStdout>>| {
            for line in lines.map_while(Result::ok) {
                let _ = told.send((number, line));
            }
        };
        thread::spawn(move || pass(lines));
        Self(child)
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill {name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was told so far.
#[derive(Default)]
struct Heard {
    calls: HashMap<String, Call>,
    told: u64,
}

impl Heard {
    fn line(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[..] {
            ["CALL", name, ..] => {
                let knew = (number(3), number(4));
                let told = Told::Nothing;
                let call = Call { called: number(2), returned: None, knew, told };
                assert!(self.calls.insert(name.to_owned(), call).is_none());
            }
            ["TOLD", name, _, ref told @ ..] => {
                let call = self.calls.get_mut(name).unwrap();
                call.returned = Some(number(2));
                call.told = match told {
                    ["rejected", failures, locked] => Told::Rejected {
                        failures: failures.parse().unwrap(),
                        locked: locked.parse().unwrap(),
                    },
                    ["accepted"] => Told::Accepted,
                    ["locked"] => Told::Locked,
                    ["superseded"] => Told::Superseded,
                    ["unlocked", place] => Told::Unlocked(place.parse().unwrap()),
                    other => panic!("{other:?}"),
                };
                self.told += 1;
            }
            _ => {} // a fault, or the test harness's own
        }
    }

    /// Listens until so many verdicts more were told, by a process or by any.
    fn until(&mut self, lines: &Receiver<(usize, String)>, more: u64, of: Option<usize>) {
        let (mut told, deadline) = (0, Instant::now() + Duration::from_mins(1));
        while told < more {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left);
            let (number, line) = line.unwrap_or_else(|_| panic!("{of:?} is told nothing"));
            self.line(&line);
            told += u64::from(line.starts_with("TOLD") && of.is_none_or(|it| it == number));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_d6_m01_m04_m28_what_killed_and_frozen_processes_told_is_one_history_within_the_limit()
{
    let Some(server) = postgres::shared() else { return };
    let (url, port) = (server.database().await, ticks::serve());
    drop(open(&url, LIMIT).await);
    let (told, lines) = channel();
    let start = |number| Process::start(&url, port, told.clone(), number);
    let mut processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut heard = Heard::default();
    for number in 0..PROCESSES {
        heard.until(&lines, 1, Some(number));
    }
    for round in 0..kills() {
        // The number of verdicts after which it happens is the random moment.
        heard.until(&lines, 1 + (round * 7919) % 97, None);
        let number = usize::try_from(round).unwrap() % PROCESSES;
        if round % 3 == 2 {
            let frozen = usize::try_from(round / 3).unwrap() % PROCESSES;
            processes[frozen].signal("-STOP");
            heard.until(&lines, 40, Some((frozen + 1) % PROCESSES));
            processes[frozen].signal("-CONT");
            heard.until(&lines, 1, Some(frozen));
        } else {
            processes[number] = start(number);
        }
    }
    drop(processes);
    drop(told);
    for (_, line) in lines {
        heard.line(&line);
    }

    let journal = PostgresJournal::connect(&url).await.unwrap();
    let events = journal.read_after(0, usize::MAX).await.unwrap();
    let placed = check(&events, &heard.calls);
    let count = |told: &Told| heard.calls.values().filter(|it| it.told == *told).count();
    let (accepted, locked) = (count(&Told::Accepted), count(&Told::Locked));
    println!(
        "{placed} of {} calls have a place in a trail of {} events; {accepted} accepted, {locked} \
         locked, {} superseded",
        heard.calls.len(),
        events.len(),
        count(&Told::Superseded)
    );
    assert!(accepted > 0 && locked > 0, "too little was tried");
    assert!(heard.told > kills() * 10);
}
