import P2PMultiaddr
import Testing

@testable import P2PCore

@Suite("HostEvents")
struct HostEventsTests {
    private func address(_ port: Int) throws -> Multiaddr { try Multiaddr("/ip4/127.0.0.1/tcp/\(port)") }

    @Test("Every subscriber gets every event, in order, until the end")
    func everybody() async throws {
        let bus = HostEventBus()
        let one = bus.subscribe()
        let two = bus.subscribe()
        for port in 1...3 { bus.post(.listening(try self.address(port))) }
        bus.finish()
        for subscription in [one, two] {
            var ports: [String] = []
            for await event in subscription {
                if case .listening(let address) = event { ports.append("\(address)") }
            }
            #expect(ports == ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3"])
        }
        for await _ in bus.subscribe() { Issue.record("a late subscription ends at once") }
    }

    @Test("A slow subscriber is told how much it lost, where it lost it")
    func overflow() async throws {
        let bus = HostEventBus()
        let events = bus.subscribe()
        let event = HostEvent.listening(try self.address(1))
        for _ in 0..<(HostEventBus.backlog + 5) { bus.post(event) }
        var iterator = events.makeAsyncIterator()
        _ = await iterator.next()
        bus.post(event)
        for _ in 1..<HostEventBus.backlog {
            guard case .listening = await iterator.next() else {
                Issue.record("the events that were kept come first")
                return
            }
        }
        guard case .lost(let count) = await iterator.next() else {
            Issue.record("what was lost is said")
            return
        }
        #expect(count == 6)
        bus.post(event)
        guard case .listening = await iterator.next() else {
            Issue.record("afterwards events come again")
            return
        }
    }

    @Test("A subscription that went away costs nothing, and a cancelled wait ends")
    func goneAndCancelled() async throws {
        let bus = HostEventBus()
        _ = bus.subscribe()
        bus.post(.listening(try self.address(1)))
        let events = bus.subscribe()
        let waiting = Task { () -> HostEvent? in
            var iterator = events.makeAsyncIterator()
            return await iterator.next()
        }
        await Task.yield()
        waiting.cancel()
        #expect(await waiting.value == nil)
    }
}
