import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PHost

@Suite("A node's own record")
struct OwnRecordTests {
    private final class Clock: Sendable {
        let nanoseconds = Mutex<UInt64>(0)
        func set(_ seconds: UInt64) { self.nanoseconds.withLock { $0 = seconds * 1_000_000_000 } }
    }

    private let clock = Clock()
    private let record: OwnRecord
    private let addresses: [Multiaddr] = ["/ip4/192.0.2.1/tcp/4001"]

    init() throws {
        let clock = self.clock
        self.record = OwnRecord(identity: try PrivateKey.generate(.ed25519)) { clock.nanoseconds.withLock { $0 } }
    }

    private func sequence(of addresses: [Multiaddr]? = nil) async throws -> UInt64 {
        let all = addresses ?? self.addresses
        let bytes = try #require(await self.record.envelope(for: all, of: all))
        return try PeerRecord.open(bytes).sequence
    }

    @Test("The same addresses are signed once, others with a higher number even when the clock stands still")
    func once() async throws {
        self.clock.set(1_700_000_000)
        let first = try await self.sequence()
        #expect(first == 1_700_000_000_000_000_000)
        #expect(try await self.sequence() == first)
        #expect(try await self.sequence(of: []) == first + 1)
    }

    @Test("Parts of the same addresses have the same number, each signed once, also again after very many")
    func parts() async throws {
        self.clock.set(1_700_000_000)
        let all = (1...40).map { Multiaddr(ip: .loopbackV4, tcp: $0) }
        for _ in 0..<2 {
            for count in 0...all.count {
                let told = Array(all.prefix(count))
                let bytes = try #require(await self.record.envelope(for: told, of: all))
                #expect(await self.record.envelope(for: told, of: all) == bytes)
                let record = try PeerRecord.open(bytes)
                #expect(record.sequence == 1_700_000_000_000_000_000)
                #expect(record.addresses.count == min(count, PeerRecord.maximumAddresses))
            }
        }
    }

    @Test("A clock that was wrong and is set leaves no record behind that peers take for an old one")
    func setForward() async throws {
        self.clock.set(600)
        _ = try await self.sequence()
        self.clock.set(1_700_000_000)
        #expect(try await self.sequence() == 1_700_000_000_000_000_000)
    }

    @Test("A clock that is set back, even before 1970, lets numbers go on growing")
    func setBack() async throws {
        self.clock.set(4_294_967_296)
        let first = try await self.sequence()
        for seconds: UInt64 in [1_700_000_000, 0] {
            self.clock.set(seconds)
            #expect(try await self.sequence() == first)
        }
        #expect(try await self.sequence(of: []) == first + 1)
    }
}
