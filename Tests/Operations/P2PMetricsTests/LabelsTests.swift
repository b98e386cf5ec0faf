import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PMetrics

@Suite("Labels, each of a closed set")
struct LabelsTests {
    @Test(
        "Transports, by their addresses",
        arguments: [
            ("/ip4/192.0.2.1/tcp/1", "tcp"), ("/ip4/192.0.2.1/tcp/1/ws", "ws"), ("/dns4/a.example/tcp/443/tls/ws", "wss"),
            ("/dns/a.example/tcp/443/tls/sni/b.example/ws", "wss"), ("/ip6/::1/tcp/1/wss", "wss"), ("/ip4/192.0.2.1/udp/1/quic-v1", "quic"),
            ("/memory/name", "memory"), ("/ip4/192.0.2.1/udp/1", "other"), ("/unix/tmp", "other"),
            ("/ip4/192.0.2.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit", "relay"),
        ])
    func transports(_ address: String, _ label: String) throws {
        #expect(Labels.transport(try Multiaddr(address)) == label)
        #expect(Labels.transports.contains(label))
    }

    @Test("Protocols below the streams have their family's name; what is unknown has none")
    func families() {
        #expect(Labels.security("/noise") == "noise")
        #expect(Labels.security("/tls/1.0.0") == "tls")
        #expect(Labels.security("/peers/own/name") == "other")
        #expect(Labels.security("") == "other")
        #expect(Labels.muxer("/yamux/1.0.0") == "yamux")
        #expect(Labels.muxer("/mplex/6.7.0") == "mplex")
        #expect(Labels.muxer("yamux\"} 1") == "other")
    }

    @Test("Reasons are codes that this package has")
    func reasons() {
        struct Stranger: Error {}
        #expect(Labels.reason(TransportError(.securityFailed, "text of a peer")) == "securityFailed")
        #expect(Labels.reason(DialError(.allAddressesFailed, "")) == "allAddressesFailed")
        #expect(Labels.reason(LimitError(limit: "connections", value: 1)) == "resourceLimit")
        #expect(Labels.reason(CancellationError()) == "cancelled")
        #expect(Labels.reason(Stranger()) == "other")
        #expect(Labels.reason(StreamError(.init("a code of somebody's own"), "")) == "other")
    }
}
