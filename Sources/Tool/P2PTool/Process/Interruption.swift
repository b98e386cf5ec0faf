/// A signal ended a command before its work was done.
struct Interruption: Error {
    /// The signal's number.
    let signal: Int32

    /// What a shell reports for a command that a signal ended.
    var exitCode: Int32 { 128 + self.signal }
}
