import Dispatch
import NIOCore
import P2PCore

/// Standard output and error: whole lines at once, nothing held back, no trap when nobody reads any more.
///
/// Writing happens on a queue of its own, because a reader that is slow blocks whoever writes.
final class Console: Sendable {
    /// Whether events are printed as JSON.
    let speaksJSON: Bool
    private let output = StandardOutput()
    /// How long the tool tries to print why it failed.
    private static let lastWordsTimeout = TimeAmount.seconds(1)

    init(speaksJSON: Bool) {
        self.speaksJSON = speaksJSON
    }

    /// Prints an event: as an object or, for people, as text; nil text is not for people.
    func emit(_ event: JSONObject, _ text: @autoclosure () -> String?) async throws {
        if self.speaksJSON {
            try await self.print(event.description)
        } else if let text = text() {
            try await self.print(text)
        }
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
    func report(_ error: ToolError) async {
        StandardError.write("p2p: \(error)\n")
        guard self.speaksJSON else { return }
        // Nobody may be reading, and nobody is left to interrupt it.
        _ = try? await HostClock.system.result(by: .now() + Self.lastWordsTimeout) {
            try await self.print(JSONObject.error(error).description)
        }
    }
}

extension JSONObject {
    /// The event for a failed command.
    static func error(_ error: ToolError) -> JSONObject {
        ["event": "error", "code": .string(error.code), "message": .string(error.message)]
    }
}

/// The standard output of the process.
struct StandardOutput: Sendable {
    private let queue = DispatchQueue(label: "p2p.stdout")

    /// Returns once the system has taken every byte. A cancelled task writes too, but does not wait for a reader.
    func write(_ bytes: ByteBuffer) async throws {
        let cancellation = Cancellation()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                self.queue.async {
                    continuation.resume(
                        with: Result { try SystemFile.write(bytes, to: SystemFile.standardOutput, unless: cancellation) })
                }
            }
        } onCancel: {
            cancellation.request()
        }
    }
}

/// The standard error of the process.
enum StandardError {
    static var isTerminal: Bool { SystemFile.isTerminal(SystemFile.standardError) }

    static func write(_ text: String) {
        try? SystemFile.write(ByteBuffer(string: text), to: SystemFile.standardError)
    }
}
