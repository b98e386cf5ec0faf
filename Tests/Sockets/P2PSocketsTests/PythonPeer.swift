import Foundation
import Synchronization
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#endif

/// A scenario of `peer.py` that runs as a process of its own.
///
/// Its lines are read by a thread and wait here; a test that has what it wants lets go of it, which ends it.
final class PythonPeer: Sendable {
    private struct State {
        var lines: [[String: Fact]] = []
        var hasEnded = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// What a line says of one thing.
    enum Fact: Decodable, Equatable {
        case number(Int), text(String), flag(Bool)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                self = .number(number)
            } else if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    private let process: Process
    private let input: FileHandle
    private let state = Mutex(State())

    init(_ scenario: String, _ arguments: String...) throws {
        let process = Process()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "peer.py")
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script.path, scenario] + arguments
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        self.process = process
        self.input = input.fileHandleForWriting
        Thread.detachNewThread { [weak self] in
            var rest = Data()
            while true {
                let data = output.fileHandleForReading.availableData
                if data.isEmpty { break }
                rest.append(data)
                while let end = rest.firstIndex(of: 0x0a) {
                    let line = rest[rest.startIndex..<end]
                    rest = Data(rest[rest.index(after: end)...])
                    if let facts = try? JSONDecoder().decode([String: Fact].self, from: line) { self?.said(facts) }
                }
            }
            self?.said(nil)
        }
    }

    deinit {
        if self.process.isRunning { self.process.terminate() }
    }

    private func said(_ facts: [String: Fact]?) {
        let waiter = self.state.withLock { state in
            if let facts { state.lines.append(facts) } else { state.hasEnded = true }
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Its next line.
    func line() async throws -> [String: Fact] {
        while true {
            let (line, hasEnded) = self.state.withLock { state in
                (state.lines.isEmpty ? nil : state.lines.removeFirst(), state.hasEnded)
            }
            if let line { return line }
            try #require(!hasEnded, "the peer ended without a word")
            await withCheckedContinuation { waiter in
                let isParked = self.state.withLock { state in
                    guard state.lines.isEmpty, !state.hasEnded else { return false }
                    state.waiter = waiter
                    return true
                }
                if !isParked { waiter.resume() }
            }
        }
    }

    /// The port that it has said.
    func port() async throws -> Int { try await self.number("port") }

    /// A number of its next line.
    func number(_ name: String) async throws -> Int {
        guard case .number(let number) = try #require(try await self.line()[name]) else { throw Unexpected() }
        return number
    }

    /// A text of its next line.
    func text(_ name: String) async throws -> String {
        guard case .text(let text) = try #require(try await self.line()[name]) else { throw Unexpected() }
        return text
    }

    struct Unexpected: Error {}

    /// Tells it something; a line by itself has it go on.
    func tell(_ text: String = "") { self.input.write(Data((text + "\n").utf8)) }

    /// Tells it the certificate.
    func tellCertificate() throws {
        let material = try JSONEncoder().encode(["chain": TestCertificate.chain, "key": TestCertificate.key])
        self.tell(String(decoding: material, as: UTF8.self))
    }
}
