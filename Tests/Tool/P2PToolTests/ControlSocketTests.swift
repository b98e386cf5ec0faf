import NIOCore
import Testing

@testable import P2PTool

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Asking another process", .timeLimit(.minutes(1)))
struct ControlSocketTests {
    /// Many times what the system keeps for a reader.
    private static let long = String(repeating: "0123456789abcde\n", count: 8 * 65_536)

    private func serving(_ body: (ControlSocket) async throws -> Void) async throws {
        let socket = ControlSocket(path: "/tmp/p2p-control-\(UInt64.random(in: 0...UInt64.max)).sock")
        let descriptor = try #require(socket.bind())
        let serving = Task {
            await socket.serve(on: descriptor) { question in
                switch question {
                case "long": Self.long
                case "none": ""
                default: nil
                }
            }
        }
        try await body(socket)
        serving.cancel()
        await serving.value
        #expect(access(socket.path, F_OK) != 0)
    }

    /// A descriptor that is connected, blocks, and has asked.
    private static func asked(_ question: String, at path: String) throws -> CInt {
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        let address = try SocketAddress(unixDomainSocketPath: path)
        try #require(address.withSockAddr { connect(descriptor, $0, socklen_t($1)) } == 0)
        try #require(write(descriptor, question + "\n", question.utf8.count + 1) == question.utf8.count + 1)
        return descriptor
    }

    @Test("A long answer comes whole to one who reads it slowly")
    func slowReader() async throws {
        try await self.serving { socket in
            let path = socket.path
            let reading = Task.detached { () -> (count: Int, last: UInt8) in
                let descriptor = try Self.asked("long", at: path)
                defer { close(descriptor) }
                var (count, last) = (0, UInt8(0))
                var room = [UInt8](repeating: 0, count: 65_536)
                while true {
                    // The other side has long written all that it can.
                    usleep(2_000)
                    let read = room.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
                    guard read > 0 else { return (count, last) }
                    (count, last) = (count + read, room[read - 1])
                }
            }
            let read = try await reading.value
            #expect(read.count == "\(Self.long.utf8.count)\n".utf8.count + Self.long.utf8.count)
            #expect(read.last == UInt8(ascii: "\n"))
        }
    }

    @Test("An answer is whole, may be empty, and a question that means nothing is told from that")
    func answers() async throws {
        try await self.serving { socket in
            let long = try await socket.ask("long")
            #expect(long == Self.long)
            let none = try await socket.ask("none")
            #expect(none.isEmpty)
            await Self.expect("noAnswer") { try await socket.ask("what") }
            await Self.expect("noAnswer") { try await socket.ask(String(repeating: "x", count: 1_000)) }
        }
        await Self.expect("notRunning") { try await ControlSocket(path: "/nowhere/at/all").ask("long") }
    }

    private static func expect(_ code: String, _ body: () async throws -> String) async {
        do {
            Issue.record("answered \(try await body().prefix(100))")
        } catch {
            #expect((error as? ToolError)?.code == code, "\(error)")
        }
    }

    @Test(
        "One that breaks off is no answer",
        arguments: [
            (["5\nhello"], "hello"), (["5", "\nhe", "llo"], "hello"), (["0\n"], ""), (["5\nhello, and more"], "hello"), (["5\nhell"], nil),
            (["5"], nil), ([], nil), (["101\n"], nil), (["-1\n"], nil), (["HTTP/1.1 200 OK\r\n"], nil),
            ([String(repeating: "1", count: 30)], nil),
        ] as [([String], String?)])
    func brokenOff(pieces: [String], whole: String?) {
        #expect(Self.text(of: pieces) == whole.map { .success($0) } ?? .failure("noAnswer"))
    }

    private static func text(of pieces: [String]) -> Result<String, Code> {
        var answer = ControlAnswer(limit: 100)
        do throws(ToolError) {
            for piece in pieces { try answer.add(ByteBuffer(string: piece)) }
            return .success(try answer.text(to: "question"))
        } catch {
            return .failure(Code(stringLiteral: error.code))
        }
    }

    private struct Code: Error, Equatable, ExpressibleByStringLiteral {
        let text: String

        init(stringLiteral text: String) { self.text = text }
    }
}
