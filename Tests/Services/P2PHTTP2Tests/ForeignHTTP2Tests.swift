import Foundation
import HTTPTypes
import NIOCore
import P2PCore
import P2PHTTP
import P2PProtocolTesting
import P2PTunnels
import Testing

@testable import P2PHTTP2

/// Clients of nghttp2's: its own, and curl, which has it inside.
@Suite("HTTP/2 asked by others' clients", .timeLimit(.minutes(1)))
struct ForeignHTTP2Tests {
    /// Serves on a local port what peers would be served on streams, for as long as `body` runs.
    private func serving(_ body: (String) async throws -> Void) async throws {
        let service = HTTP2Service(
            HTTPClosureResponder { request in
                guard request.head.method == .post else { return .text(.ok, request.head.path ?? "") }
                return HTTPPeerResponse(
                    HTTPResponse(status: .ok),
                    .pieces { writer in while let piece = try await request.body.next() { try await writer.write(piece) } })
            })
        let connection = LoopbackPeer(service, on: try .sample()).peerConnection
        let port = try await LocalPort.bind(.ip(host: "127.0.0.1", port: 0), limit: 16)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await stream in port.streams { group.addTask { await service.serve(stream, on: connection) } }
                }
            }
            try await body("http://\(port.endpoint)")
            await port.close()
            group.cancelAll()
        }
    }

    private func run(_ program: String, _ arguments: String...) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
            }
        }
    }

    private static func isHere(_ program: String) -> Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/\(program)") }

    @Test("curl: a text, a head alone, a body both ways with 100-continue", .enabled(if: isHere("curl")))
    func curl() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("http2-\(UUID())")
        try Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await self.serving { base in
            // One alone: curl 7.88 does not use such a connection again, whoever serves it.
            let one = try await self.run("curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}\n", "\(base)/1")
            #expect(one.split(separator: "\n") == ["/1", "2 200"], "\(one)")
            let head = try await self.run("curl", "-sSI", "--http2-prior-knowledge", "\(base)/ab")
            #expect(head.hasPrefix("HTTP/2 200") && head.contains("content-length: 4"), "\(head)")
            let echo = try await self.run(
                "sh", "-c",
                "curl -sSv --http2-prior-knowledge -H 'Expect: 100-continue' --data-binary @\(file.path) \(base)/ 2>\(file.path).log "
                    + "| cmp - \(file.path) && grep -c '^< HTTP/2 100' \(file.path).log; rm \(file.path).log")
            #expect(echo == "1\n")
        }
    }

    @Test("h2load: two thousand requests, fifty at a time on each of two connections, all of them answered", .enabled(if: isHere("h2load")))
    func load() async throws {
        try await self.serving { base in
            let said = try await self.run("h2load", "-n", "2000", "-c", "2", "-m", "50", "-p", "h2c", "\(base)/x")
            #expect(said.contains("2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(said)")
            #expect(said.contains("status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx"), "\(said)")
        }
    }

    @Test("nghttp: a body that comes and goes, with its padding", .enabled(if: isHere("nghttp")))
    func padded() async throws {
        try await self.serving { base in
            let said = try await self.run("sh", "-c", "printf hello | nghttp --padding=100 --data=- --no-dep \(base)/")
            #expect(said == "hello", "\(said)")
        }
    }
}
