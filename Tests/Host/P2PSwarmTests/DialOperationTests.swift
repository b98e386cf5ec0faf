import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Those who wait for a dial", .timeLimit(.minutes(1)))
struct DialOperationTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let operation: DialOperation

    init() throws {
        self.operation = DialOperation(DialRun(peer: PeerID(try PrivateKey.generate(.ed25519).publicKey)))
    }

    private func address(_ port: UInt16) -> Multiaddr { Multiaddr(ip: .loopbackV4, tcp: port) }

    private func join(_ ports: UInt16..., for seconds: Int64) throws -> DialWaiter {
        let candidates = ports.map { DialCandidate(self.address($0)) }
        return try #require(self.operation.join(candidates, areNamed: true, until: self.now + .seconds(seconds)))
    }

    private func error(of waiter: DialWaiter) async -> DialError? {
        if case .failure(let error) = await self.operation.wait(waiter) { error } else { nil }
    }

    @Test("Each has a deadline of their own, and the dial lasts as long as the last one's")
    func deadlines() async throws {
        let first = try self.join(1, for: 5)
        #expect(self.operation.next(at: self.now) == .dial(self.address(1)))
        #expect(self.operation.next(at: self.now) == .sleep(until: self.now + .seconds(5)))
        let second = try self.join(2, for: 20)
        #expect(self.operation.deadline == self.now + .seconds(20))
        #expect(self.operation.next(at: self.now) == .dial(self.address(2)))
        self.operation.update { $0.slept(until: self.now + .seconds(5)) }
        #expect(self.operation.next(at: self.now + .seconds(5)) == .sleep(until: self.now + .seconds(20)))
        let early = await self.error(of: first)
        #expect(early?.code == .timedOut)
        #expect(early?.attempts.map(\.address) == [self.address(1), self.address(2)])
        #expect(self.operation.waiterCount == 1)
        #expect(self.operation.next(at: self.now + .seconds(20)) == .over)
        #expect(await self.error(of: second)?.code == .timedOut)
        #expect(!self.operation.isAbandoned)
    }

    @Test("Nobody joins a dial that is over")
    func over() async throws {
        let waiter = try self.join(1, for: 5)
        _ = self.operation.next(at: self.now)
        self.operation.update {
            $0.failed(DialAttempt(address: self.address(1), error: TransportError(.unreachable, "refused")), at: self.now)
        }
        #expect(self.operation.next(at: self.now) == .over)
        #expect(self.operation.join([DialCandidate(self.address(2))], areNamed: true, until: self.now + .seconds(9)) == nil)
        self.operation.complete(.failure(self.operation.error(.exhausted)))
        #expect(await self.error(of: waiter)?.code == .allAddressesFailed)
    }

    @Test("It is abandoned when the last one leaves, not before")
    func abandoned() async throws {
        let (first, second) = (try self.join(1, for: 5), try self.join(for: 5))
        let leaving = Task { await self.error(of: first) }
        leaving.cancel()
        #expect(await leaving.value?.code == .cancelled)
        #expect(!self.operation.isAbandoned)
        let last = Task { await self.error(of: second) }
        last.cancel()
        #expect(await last.value?.code == .cancelled)
        #expect(self.operation.isAbandoned)
        #expect(self.operation.join([], areNamed: true, until: self.now + .seconds(9)) == nil)
    }

    @Test("What the host lends for many silent addresses goes back when they end, and without it there are fewer at a time")
    func loans() throws {
        let places = LentPlaces(limit: 3)
        let operation = DialOperation(DialRun(peer: try #require(self.operation.peer)), places: places)
        let candidates = (1...20).map { DialCandidate(self.address($0)) }
        let waiter = operation.join(candidates, areNamed: true, until: self.now + .seconds(15))
        #expect(waiter != nil)
        var dialled: [Multiaddr] = []
        func start(at now: NIODeadline) -> DialRun.Step {
            while true {
                let step = operation.next(at: now)
                guard case .dial(let address) = step else { return step }
                dialled.append(address)
            }
        }
        let soon = self.now + .milliseconds(450)
        #expect(operation.next(at: self.now) == .dial(self.address(1)))
        _ = start(at: soon)
        #expect(dialled.count == 10)
        #expect(places.count == 3)
        guard case .recall(let silent) = start(at: self.now + .seconds(1)) else { return #expect(Bool(false), "nobody was called back") }
        #expect(silent == self.address(1))
        operation.update { $0.failed(DialAttempt(address: silent, error: TransportError(.cancelled, "called back")), at: soon) }
        #expect(places.count == 2)
        operation.complete(.failure(operation.error(.exhausted)))
        operation.attemptsEnded()
        #expect(places.count == 0)
    }

    @Test("Finders fill no more than the addresses of one dial between two looks")
    func findings() throws {
        _ = try self.join(for: 5)
        for round in 0..<10 {
            self.operation.found((0..<100).map { DialCandidate(self.address(UInt16(round * 100 + $0 + 1))) })
        }
        #expect(self.operation.next(at: self.now) == .dial(self.address(1)))
        #expect(self.operation.error(.expired).attempts.count == SwarmConfiguration.maximumAddressesPerDial)
    }
}
