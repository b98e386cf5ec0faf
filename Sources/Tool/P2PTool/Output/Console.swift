import NIOCore
import P2PCore

/// What the tool says on standard output and error: whole lines, in order, no trap when nobody reads any more.
final class Console: Sendable {
    /// What may wait for a reader, in bytes.
    private static let backlog = 1_024 * 1_024

    /// Whether events are printed as JSON.
    let speaksJSON: Bool
    private let output: PrintedStream

    init(speaksJSON: Bool) {
        self.speaksJSON = speaksJSON
        self.output = PrintedStream(SystemFile.standardOutput, limit: Self.backlog) { lost in
            speaksJSON ? "\(JSONObject.lost(lost))\n" : "\(lost) events were lost: nobody read them in time\n"
        }
    }

    /// Prints an event: as an object or, for people, as text; nil text is not for people. Returns once the system has taken it.
    func emit(_ event: JSONObject, _ text: @autoclosure () -> String?) async throws {
        if let line = self.line(event, text) { try await self.output.write(line) }
    }

    /// The same without any wait, for whoever has something better to do: what nobody reads in time is lost, and counted.
    func announce(_ event: JSONObject, _ text: @autoclosure () -> String?) {
        if let line = self.line(event, text) { self.output.offer(line) }
    }

    private func line(_ event: JSONObject, _ text: () -> String?) -> ByteBuffer? {
        let line = self.speaksJSON ? event.description : text()
        return line.map { ByteBuffer(string: $0 + "\n") }
    }

    /// Prints a line.
    func print(_ line: String) async throws {
        try await self.output.write(ByteBuffer(string: line + "\n"))
    }

    /// Writes bytes as they are.
    func write(_ bytes: ByteBuffer) async throws {
        try await self.output.write(bytes)
    }

    /// Says why the command failed.
    func report(_ error: ToolError) {
        StandardError.write("p2p: \(error)\n")
        self.announce(.error(error), nil)
    }

    /// Lets a reader take, at the end of the process, what still waits; one who takes nothing is not waited for longer than a second.
    func finish() {
        PrintedStream.finish([self.output, StandardError.stream])
    }
}

extension JSONObject {
    /// The event for a failed command.
    static func error(_ error: ToolError) -> JSONObject {
        ["event": "error", "code": .string(error.code), "message": .string(error.message)]
    }

    /// The event for events that are missing.
    static func lost(_ count: Int) -> JSONObject {
        ["event": "lost", "count": .integer(count)]
    }
}

/// The standard error of the process.
enum StandardError {
    /// What may wait for a reader, in bytes.
    private static let backlog = 256 * 1_024
    static let stream = PrintedStream(SystemFile.standardError, limit: Self.backlog) { lost in
        "notice p2p: \(lost) lines of the log were lost: nobody read them in time\n"
    }

    static var isTerminal: Bool { SystemFile.isTerminal(SystemFile.standardError) }

    /// Prints text as soon as somebody reads; never waits, so that whoever logs is not held up.
    static func write(_ text: String) {
        self.stream.offer(ByteBuffer(string: text))
    }
}
