import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PReachability

@Suite("Which changes of reachability are told")
struct ReachabilityNewsTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// Seen at one port or the other.
    private func seen(at port: UInt16) -> Reachability {
        var facts = ReachabilityFacts()
        facts.listening = [Multiaddr(ip: IPAddress(v4: 0xc0a8_0107), tcp: port)]
        facts.observed = [ObservedAddress(address: Multiaddr(ip: IPAddress(v4: 0x0102_0304), tcp: port), observers: 4, isConfirmed: true)]
        return Reachability(facts)
    }

    @Test("Peers that change their minds each second for ten minutes make one event in five seconds, and the newest is told in the end")
    func flipping() {
        var (news, told) = (ReachabilityNews(), 0)
        for second in 0..<600
        where news.replaced(by: self.seen(at: second % 2 == 0 ? 1 : 2), at: self.start + .seconds(Int64(second))) != nil {
            told += 1
        }
        #expect((600 / 5 - 1...ReachabilityNews.burst + 600 / 5).contains(told))
        let end = self.start + .seconds(610)
        let before = news.replaced(by: self.seen(at: 3), at: end)
        #expect(before != nil && news.told == self.seen(at: 3))
    }

    @Test("A start is told as it goes on, what is as it was told is no news, and what comes too soon is told later")
    func pace() {
        var news = ReachabilityNews()
        for port in 1...UInt16(ReachabilityNews.burst) {
            let before = news.replaced(by: self.seen(at: port), at: self.start)
            #expect(before == (port == 1 ? Reachability(ReachabilityFacts()) : self.seen(at: port - 1)))
        }
        let none = news.replaced(by: self.seen(at: UInt16(ReachabilityNews.burst)), at: self.start + .hours(1))
        #expect(none == nil)
        for port in 10...UInt16(9 + ReachabilityNews.burst) { _ = news.replaced(by: self.seen(at: port), at: self.start + .hours(2)) }
        let early = news.replaced(by: self.seen(at: 7), at: self.start + .hours(2))
        #expect(early == nil)
        let due = news.replaced(by: self.seen(at: 7), at: self.start + .hours(2) + ReachabilityNews.interval)
        #expect(due == self.seen(at: UInt16(9 + ReachabilityNews.burst)))
    }
}
