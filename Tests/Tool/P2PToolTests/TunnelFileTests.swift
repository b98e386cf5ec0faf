import P2PIdentity
import P2PTunnels
import Testing

@testable import P2PTool

@Suite("A file of tunnels")
struct TunnelFileTests {
    private static let peer = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"

    @Test("Services and forwards are read")
    func reads() throws {
        let plan = try TunnelFile.plan(
            """
            # what this machine has
            serve /x/ssh 127.0.0.1:22 peer=\(Self.peer) introduce=line  # the shell

            serve /x/dns 127.0.0.1:53 udp\r
            forward unix:/tmp/s /ip4/192.0.2.1/tcp/4001/p2p/\(Self.peer) /x/db
            forward 127.0.0.1:0 /ip4/192.0.2.1/tcp/4001/p2p/\(Self.peer) /x/coap udp
            """)
        let peer = try #require(PeerID(Self.peer))
        #expect(
            plan.services == [
                try TunnelService("/x/ssh", at: "127.0.0.1:22", access: .peers([peer]), introduction: .line),
                try TunnelService("/x/dns", at: "127.0.0.1:53", isDatagrams: true),
            ])
        #expect(
            plan.forwards.map(\.forward) == [
                try TunnelForward("unix:/tmp/s", to: peer, "/x/db"),
                try TunnelForward("127.0.0.1:0", to: peer, "/x/coap", isDatagrams: true),
            ])
    }

    @Test(
        "A mistake is said with its line",
        arguments: [
            "listen /x/a 127.0.0.1:1": "a tunnel begins with serve or forward, and not with listen",
            "serve /x/a": "serve wants a name and a target",
            "serve /y/a 127.0.0.1:1": "/y/a names no service: /x/ and letters, digits, . _ -",
            "serve /x/a 127.0.0.1:1 tcp": "tcp is neither udp, peer=ID,… nor introduce=none|line|proxy",
            "serve /x/a 127.0.0.1:1 peer=x": "x is no peer's id",
            "forward 127.0.0.1:1 /ip4/192.0.2.1/tcp/1 /x/a": "/ip4/192.0.2.1/tcp/1 is no address with /p2p/ and a peer's id",
        ])
    func mistakes(line: String, message: String) {
        #expect(throws: ToolError("tunnelsNotRead", "tunnels line 2: \(message)")) { try TunnelFile.plan("\n\(line)\n") }
    }
}
