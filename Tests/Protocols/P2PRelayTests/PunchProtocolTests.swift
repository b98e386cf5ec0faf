import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Synchronization
import Testing

@testable import P2PRelay

@Suite("A punch that is asked for by somebody who keeps to no rule", .timeLimit(.minutes(1)))
struct PunchProtocolTests {
    /// One that is asked, and what it has reported.
    private final class Scene: Sendable {
        let host: LoopbackPeer
        let handler: PunchProtocol
        let reports = Reports()

        init(isDialled: Bool = true, isRelayed: Bool = true) throws {
            let sample = try ConnectionInfo.sample()
            let relay = PeerID(try PrivateKey.generate(.ed25519).publicKey)
            let direct: Multiaddr = "/ip4/45.1.0.1/tcp/4001"
            let info = ConnectionInfo(
                role: isDialled ? .dialer : .listener, localPeer: sample.localPeer, remotePeer: sample.remotePeer,
                remoteKey: sample.remoteKey,
                localAddress: "/ip4/45.9.0.1/tcp/4001",
                remoteAddress: isRelayed ? try direct.withPeerID(relay).appending(.p2pCircuit) : direct, security: "/s", muxer: "/m",
                isLimited: isRelayed, isDialled: isDialled)
            self.host = try LoopbackPeer(on: info) { $0.reset() }
            self.handler = PunchProtocol(works: PunchWorks(self.host, roles: ArrivalRoles()) { [reports] in reports.add($0) })
        }

        /// What becomes of a stream on which the peer says this, one after the other; it reads what it is told, if that is asked for.
        func ask(_ messages: [[UInt8]], reads: Bool = false) async throws -> StreamError? {
            let pair = StreamPair()
            async let served = self.handler.serve(pair.listener, on: self.host.peerConnection)
            for (number, message) in messages.enumerated() {
                if number > 0, reads { _ = try await pair.dialer.readMessageBytes(upTo: Relay.maximumMessage) }
                try? await pair.dialer.write(message.framed)
            }
            try? await pair.dialer.finish()
            return await served
        }
    }

    private final class Reports: Sendable {
        private let posted = Mutex<[HolePunching.Report]>([])

        func add(_ report: HolePunching.Report) { self.posted.withLock { $0.append(report) } }
        var all: [HolePunching.Report] { self.posted.withLock { $0 } }
    }

    private static let connect = PunchMessage(.connect, addresses: ["/ip4/45.7.0.1/tcp/4001"]).encoded
    private static let sync = PunchMessage(.sync).encoded

    @Test("As it should be: addresses are told, and on SYNC the peer is dialled")
    func ordinary() async throws {
        let scene = try Scene()
        #expect(try await scene.ask([Self.connect, Self.sync], reads: true) == nil)
        #expect(scene.reports.all.map(\.attempt) == [1] && scene.reports.all.map(\.transport) == [.tcp])
    }

    @Test("By whoever has dialled, or directly, nothing is begun", arguments: [(false, true), (true, false)])
    func wrongSide(_ row: (isDialled: Bool, isRelayed: Bool)) async throws {
        let scene = try Scene(isDialled: row.isDialled, isRelayed: row.isRelayed)
        #expect(try await scene.ask([Self.connect, Self.sync])?.code == .malformed)
        #expect(scene.reports.all.isEmpty)
    }

    private static let nonsense: [[[UInt8]]] = [
        [sync], [sync, connect], [connect, connect], [[0x08, 0x07]], [[0xff]], [PunchMessage(.connect).encoded, sync],
        [
            PunchMessage(.connect, addresses: ["/ip4/10.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001", "/ip4/45.9.0.1/tcp/4001"]).encoded,
            sync,
        ],
    ]

    @Test("SYNC before CONNECT, CONNECT twice, and addresses that lead nowhere end it: nobody is dialled", arguments: Self.nonsense)
    func malformed(_ messages: [[UInt8]]) async throws {
        let scene = try Scene()
        #expect(try await scene.ask(messages)?.code == .malformed)
        #expect(scene.reports.all.isEmpty)
    }

    @Test("One that leaves, or says more than a message may hold, has begun nothing")
    func ends() async throws {
        let scene = try Scene()
        #expect(try await scene.ask([Self.connect])?.code == .unexpectedEnd)
        #expect(try await scene.ask([[UInt8](repeating: 8, count: Relay.maximumMessage + 1)]) != nil)
        #expect(scene.reports.all.isEmpty)
    }

    @Test("The fourth within five minutes is refused, whatever became of the others")
    func often() async throws {
        let scene = try Scene()
        for _ in 1...PunchLedger.attempts { #expect(try await scene.ask([Self.sync])?.code == .malformed) }
        #expect(try await scene.ask([Self.connect, Self.sync])?.code == .rateLimited)
        #expect(scene.reports.all.isEmpty)
    }

    @Test("Of a hundred victims four are dialled")
    func victims() async throws {
        let scene = try Scene()
        let addresses = (1...100).map { Multiaddr(ip: IPAddress(v4: 0x2d07_0000 + UInt32($0)), tcp: 4_001) }
        #expect(try await scene.ask([PunchMessage(.connect, addresses: addresses).encoded, Self.sync], reads: true) == nil)
        let failure = try #require(scene.reports.all.first?.failure)
        #expect(failure.split(separator: "/ip4/").count - 1 == PunchAddresses.hostLimit)
    }
}
