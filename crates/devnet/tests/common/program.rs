//! The program as people run it, and a client of its control interface that writes every header
//! itself.

#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running `devnet`, killed with this value.
pub struct Program {
    child: Child,
    /// What it printed when it was ready.
    pub said: Value,
}

impl Program {
    /// Starts it on free ports.
    pub fn start(args: &[&str]) -> Self {
        let free = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_devnet"))
            .args(free)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said {line:?}"));
        Self { child, said }
    }

    /// Address of the control interface.
    pub fn control(&self) -> &str {
        self.said["control"].as_str().unwrap().strip_prefix("http://").unwrap()
    }

    /// One request with exactly these headers. Gives the status, the head and the body.
    pub fn request(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.control()).unwrap();
        let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    /// A GET as programs make it.
    pub fn get(&self, path: &str) -> Value {
        let (status, _, body) =
            self.request(&format!("GET {path}"), &[("host", self.control())], "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
