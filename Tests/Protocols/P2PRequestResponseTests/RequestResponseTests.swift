import P2PCore
import P2PIdentity
import P2PProtocolTesting
import Testing

@testable import P2PRequestResponse

@Suite("Requests and responses")
struct RequestResponseTests {
    private struct Sum: Codable, Sendable, Equatable {
        var numbers: [Int]
    }

    private static let greeting = RequestResponse("/greet/1.0.0", requests: TextCodec(), responses: TextCodec())

    @Test("A request is answered, with either end of messages", arguments: [MessageFraming.toEnd, .lengthPrefixed])
    func roundTrip(framing: MessageFraming) async throws {
        var greeting = Self.greeting
        greeting.framing = framing
        let info = try ConnectionInfo.sample()
        let peer = LoopbackPeer(greeting.serving { name, connection in "hello \(name) from \(connection.remotePeer)" }, on: info)
        let answer = try await greeting.ask("world", of: info.remotePeer, through: peer)
        #expect(answer == "hello world from \(info.remotePeer)")
        #expect(try await greeting.ask("", on: peer.peerConnection) == "hello  from \(info.remotePeer)")
    }

    @Test("Without a length, the bytes are the message's alone, up to the half-close, as rust has them")
    func wire() async throws {
        let peer = try LoopbackPeer { stream in
            #expect(try await stream.readText(upTo: 100) == #"{"numbers":[1,2]}"#)
            try await stream.write(text: #"{"numbers":[3]}"#)
        }
        let adding = RequestResponse("/add/1.0.0", requests: JSONCodec<Sum>(), responses: JSONCodec<Sum>())
        #expect(try await adding.ask(Sum(numbers: [1, 2]), on: peer.peerConnection) == Sum(numbers: [3]))
    }

    @Test("What is too long is neither sent nor taken; what is none is malformed; who throws resets")
    func refusals() async throws {
        var greeting = Self.greeting
        greeting.requestLimit = 5
        greeting.responseLimit = 5
        let peer = try LoopbackPeer { stream in
            _ = try await stream.readToEnd(upTo: 100)
            try await stream.write(text: "longer than five")
        }
        #expect(await errorCode { _ = try await greeting.ask("longer", on: peer.peerConnection) } == .messageTooLarge)
        #expect(peer.opened == 0)
        #expect(await errorCode { _ = try await greeting.ask("short", on: peer.peerConnection) } == .messageTooLarge)
        let garbled = try LoopbackPeer { stream in try await stream.write(bytes: [0xff]) }
        #expect(await errorCode { _ = try await Self.greeting.ask("x", on: garbled.peerConnection) } == .malformed)
        struct No: Error {}
        let refusing = LoopbackPeer(Self.greeting.serving { _, _ in throw No() }, on: try .sample())
        #expect(await errorCode { _ = try await Self.greeting.ask("x", on: refusing.peerConnection) } == .reset)
        // A request beyond the limit never reaches the body.
        let small = LoopbackPeer(greeting.serving { text, _ in text }, on: try .sample())
        #expect(await errorCode { _ = try await Self.greeting.ask("longer", on: small.peerConnection) } == .reset)
    }

    @Test("A peer that is silent is given up in time")
    func silence() async throws {
        var greeting = Self.greeting
        greeting.timeout = .milliseconds(50)
        let peer = try LoopbackPeer { stream in
            while try await stream.read() != nil {}; try await Task.sleep(for: .seconds(10))
        }
        #expect(await errorCode { _ = try await greeting.ask("x", on: peer.peerConnection) } == .timedOut)
    }
}
