import NIOCore
import NIOPosix
import P2PCore
import P2PPolicy
import P2PProtocolTesting
import Testing

@testable import P2PTunnels

@Suite("Targets that peers name", .timeLimit(.minutes(1)))
struct ExitTests {
    /// What an exit with those rules answers to a request, and the stream.
    private func ask(_ request: ByteBuffer, policy: String?, _ service: TunnelService? = nil) async throws -> (TunnelResult?, PeerStream) {
        let gate = try policy.map { PolicyGate(try Policy($0)) }
        let tunnels = Tunnels(policy: gate)
        if let service { try tunnels.serve(service) }
        let peer = LoopbackPeer(TunnelExitHandler(tunnels: tunnels), on: try .sample())
        let stream = try await peer.peerConnection.openStream(TunnelExitHandler.protocolID)
        try await stream.writeMessage(request)
        let answer = try await stream.readMessage(upTo: TunnelResult.maximumSize)
        return (try answer.map { try TunnelResult($0) }, stream)
    }

    private func code(_ request: TunnelOpen, policy: String?, _ service: TunnelService? = nil) async throws -> UInt64? {
        try await self.ask(request.encoded, policy: policy, service).0?.code
    }

    @Test("What no rule grants is denied, whatever is there, and nothing more is said")
    func denied() async throws {
        let here = TunnelOpen(.tcp, host: "127.0.0.1", port: 1)
        let (result, _) = try await self.ask(here.encoded, policy: nil)
        #expect(result == TunnelResult(code: 1, message: "permission denied"))
        for rules in ["", "allow tunnel-connect:tcp/*:*", "allow tunnel-connect:udp/127.0.0.1:1", "allow tunnel-connect:tcp/127.0.0.1:2"] {
            #expect(try await self.code(here, policy: rules) == 1)
        }
        #expect(try await self.code(TunnelOpen(.tcp, host: "0.0.0.0", port: 1), policy: "allow tunnel-connect:tcp/*:*") == 1)
        #expect(try await self.code(TunnelOpen(.tcp, host: "::ffff:127.0.0.1", port: 1), policy: "allow tunnel-connect:tcp/*:*") == 1)
        // A name that leads to this machine needs a rule of the address, too.
        #expect(try await self.code(TunnelOpen(.tcp, host: "localhost", port: 1), policy: "allow tunnel-connect:tcp/localhost:1") == 1)
    }

    @Test("A refusal says what kind it is")
    func codes() async throws {
        let rules = "allow tunnel-connect:tcp/loopback:*\nallow tunnel-connect:tcp/*:*"
        #expect(try await self.code(TunnelOpen(.tcp, host: "127.0.0.1", port: 1), policy: rules) == 5)
        #expect(try await self.code(TunnelOpen(.tcp, host: "no-such-name.invalid", port: 1), policy: rules) == 3)
        #expect(try await self.code(TunnelOpen(.tcp, host: "127.0.0.1", port: 0), policy: rules) == 2)
        #expect(try await self.code(TunnelOpen(.tcp, host: "0177.0.0.1", port: 1), policy: rules) == 2)
        #expect(try await self.code(TunnelOpen(.tcp, host: "", port: 1), policy: rules) == 2)
        #expect(try await self.code(TunnelOpen(.unix, host: "/etc/passwd"), policy: rules) == 8)
        #expect(try await self.ask(ByteBuffer(bytes: [0x08, 0x63]), policy: rules).0?.code == 8)
        #expect(try await self.ask(ByteBuffer(bytes: [0x08]), policy: rules).0?.code == 2)
    }

    @Test("A service is found by its name; one that is not there and one that is for others are refused alike")
    func services() async throws {
        let name = try #require(TunnelName("/x/a"))
        let closed = TunnelService(name, at: .ip(host: "127.0.0.1", port: 1), access: .peers([]))
        let open = TunnelService(name, at: .ip(host: "127.0.0.1", port: 1))
        let request = TunnelOpen(.service, name: "/x/a")
        #expect(try await self.code(request, policy: nil, closed) == 1)
        #expect(try await self.code(TunnelOpen(.service, name: "/x/b"), policy: nil, open) == 1)
        #expect(try await self.code(request, policy: nil, open) == 5)
        #expect(try await self.code(request, policy: "", open) == 1)
        #expect(try await self.code(request, policy: "allow service:/x/a", open) == 5)
        #expect(try await self.code(TunnelOpen(.udp, name: "/x/a"), policy: nil, open) == 1)
        #expect(try await self.code(TunnelOpen(.service, name: "a"), policy: nil, open) == 2)
    }

    @Test("A target that is granted is connected, and what is said at once is not lost")
    func connected() async throws {
        try await withServer { inbound, outbound, _ in
            try await outbound.write(try await inbound.all())
            outbound.finish()
        } _: { target in
            guard case .ip(_, let port) = target else { return }
            let (result, stream) = try await self.ask(
                TunnelOpen(.tcp, host: "127.0.0.1", port: port).encoded, policy: "allow tunnel-connect:tcp/127.0.0.1:\(port)")
            #expect(result == .ok)
            try await stream.write(text: "hello")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "hello")
        }
    }

    @Test("Garbage after a request for datagrams resets the stream")
    func garbage() async throws {
        let (result, stream) = try await self.ask(
            TunnelOpen(.udp, host: "127.0.0.1", port: 9).encoded, policy: "allow tunnel-connect:udp/127.0.0.1:9")
        #expect(result == .ok)
        try await stream.write(bytes: [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
        await #expect(throws: StreamError(.reset, "")) { try await stream.read() }
    }
}
