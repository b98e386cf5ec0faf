import NIOCore
import P2PCore
import P2PIdentity
import Testing

@testable import P2PIdentify

@Suite("What is remembered of introductions")
struct IntroductionLedgerTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("Only newer records, or the same one again, are admitted")
    func sequences() throws {
        var ledger = IntroductionLedger()
        let (one, other) = (try Sample().peer, try Sample().peer)
        let offers: [(PeerID, UInt64)] = [(one, 5), (one, 5), (one, 4), (one, .max), (one, 6), (other, 1)]
        let admitted = offers.map { ledger.admitRecord(of: $0.0, sequence: $0.1, at: self.start) }
        #expect(admitted == [true, true, false, true, false, true])
    }

    @Test("A burst of eight pushes, then one more every five seconds")
    func pushes() throws {
        var ledger = IntroductionLedger()
        let peer = try Sample().peer
        let seconds: [Double] = Array(repeating: 0, count: 9) + [4.999, 5, 9, 10, 11] + Array(repeating: 3_600, count: 9)
        let admitted = seconds.map { ledger.admitPush(from: peer, at: self.start + .milliseconds(Int64($0 * 1_000))) }
        let burst = Array(repeating: true, count: 8) + [false]
        #expect(admitted == burst + [false, true, false, true, false] + burst)
    }

    @Test("What a connection was told is remembered until it is asked for, of as many as the limit")
    func changesTold() {
        var told = ChangesTold(limit: 3)
        let connections = (0..<5).map { _ in ConnectionID() }
        for (number, connection) in connections.enumerated() {
            told.told(connection, after: 7)
            told.told(connection, after: UInt64(number))
        }
        #expect(told.count == 3)
        #expect(connections.map { told.take($0) } == [nil, nil, 2, 3, 4])
        #expect(connections.allSatisfy { told.take($0) == nil } && told.count == 0)
    }

    @Test("Beyond its limit the peer that came first is forgotten")
    func bounded() throws {
        var ledger = IntroductionLedger(limit: 2)
        let peers = try (0..<3).map { _ in try Sample().peer }
        for peer in peers { _ = ledger.admitRecord(of: peer, sequence: 9, at: self.start) }
        #expect(ledger.count == 2)
        let admitted = [peers[0], peers[2]].map { ledger.admitRecord(of: $0, sequence: 1, at: self.start) }
        #expect(admitted == [true, false])
        #expect(ledger.count == 2)
    }
}
