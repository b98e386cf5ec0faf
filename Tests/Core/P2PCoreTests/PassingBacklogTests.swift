import NIOCore
import Testing

@testable import P2PCore

@Suite("What waits in streams whose readers pass everything on, and what their windows grow by")
struct PassingBacklogTests {
    private let start = NIODeadline.uptimeNanoseconds(100_000_000_000)

    /// By how much more waits than is left, where so many bytes have waited for long.
    private func settled(_ bytes: Int, in share: inout PassingBacklog.Share, of backlog: PassingBacklog, at now: NIODeadline) -> Int {
        var surplus = 0
        for _ in 0..<40 { surplus = backlog.report(waiting: bytes, of: &share, at: now) }
        return surplus
    }

    @Test("Of one alone no more may wait than is left for others; what it says is smoothed, and what has gone on counts no more")
    func alone() {
        let backlog = PassingBacklog(limit: 16 << 20)
        var share = PassingBacklog.Share()
        #expect(backlog.report(waiting: 12 << 20, of: &share, at: self.start) == -4 << 20, "a burst counts half")
        #expect(share.waiting == 6 << 20 && backlog.use == 6 << 20)
        #expect(backlog.report(waiting: 12 << 20, of: &share, at: self.start) == 2 << 20)
        #expect(backlog.grow(&share, by: 1 << 20, at: self.start) == 0)
        #expect(self.settled(0, in: &share, of: backlog, at: self.start) <= -16 << 20 && backlog.use == 0)
        #expect(backlog.report(waiting: 4 << 20, of: &share, at: self.start) < 0)
        backlog.forget(share)
        #expect(backlog.use == 0)
        backlog.forget(PassingBacklog.Share())
        #expect(backlog.use == 0)
    }

    @Test("A window grows by half of what is left at most; that counts until its stream says what waits")
    func growth() {
        let backlog = PassingBacklog(limit: 16 << 20)
        var (one, other) = (PassingBacklog.Share(), PassingBacklog.Share())
        #expect(backlog.grow(&one, by: 1 << 20, at: self.start) == 1 << 20)
        #expect(backlog.use == 1 << 20 && one.waiting == 0)
        #expect(backlog.grow(&one, by: 32 << 20, at: self.start) == 15 << 19)
        #expect(backlog.grow(&other, by: 32 << 20, at: self.start) == 15 << 18)
        #expect(backlog.report(waiting: 0, of: &one, at: self.start) < 0 && backlog.use == 15 << 18)
        #expect(backlog.grow(&one, by: 1 << 20, at: self.start) == 1 << 20, "of what waits nowhere there may be any number")
        for share in [one, other] { backlog.forget(share) }
        #expect(backlog.use == 0)
    }

    @Test("What did not grow after all counts no more; who is quick is known by what waits of his window")
    func givenBack() {
        let backlog = PassingBacklog(limit: 16 << 20)
        var share = PassingBacklog.Share()
        #expect(backlog.grow(&share, by: 1 << 20, at: self.start) == 1 << 20)
        backlog.giveBack(1 << 19, of: &share)
        #expect(backlog.use == 1 << 19)
        backlog.giveBack(1 << 20, of: &share)
        #expect(backlog.use == 0)
        _ = backlog.report(waiting: 32 << 10, of: &share, at: self.start)
        #expect(share.isQuick(256 << 10) && !share.isQuick(255 << 10))
    }

    @Test("Where much waits nothing grows, and whoever has more than is left has too much")
    func many() {
        let backlog = PassingBacklog(limit: 4 << 20)
        var shares = Array(repeating: PassingBacklog.Share(), count: 64)
        for index in shares.indices { _ = self.settled(65_537, in: &shares[index], of: backlog, at: self.start) }
        #expect(backlog.use >= backlog.limit)
        #expect(backlog.report(waiting: 65_536, of: &shares[0], at: self.start) > 30_000)
        #expect(backlog.grow(&shares[0], by: 1 << 20, at: self.start) == 0)
        var idle = PassingBacklog.Share()
        #expect(backlog.report(waiting: 0, of: &idle, at: self.start) <= 0, "who has nothing has not too much")
        for share in shares { backlog.forget(share) }
        #expect(backlog.use == 0)
    }

    @Test("Who has said nothing for two periods counts no more, until it says something")
    func idle() {
        let backlog = PassingBacklog(limit: 16 << 20)
        let period = PassingBacklog.period
        var (idle, busy) = (PassingBacklog.Share(), PassingBacklog.Share())
        _ = backlog.grow(&idle, by: 8 << 20, at: self.start)
        _ = backlog.grow(&busy, by: 1 << 20, at: self.start + period)
        #expect(backlog.use == 9 << 20)
        _ = backlog.report(waiting: 2 << 20, of: &busy, at: self.start + period + period)
        #expect(backlog.use == 1 << 20 && busy.waiting == 1 << 20)
        // It is back, with all that it was promised.
        #expect(backlog.report(waiting: 8 << 20, of: &idle, at: self.start + period + period) == -7 << 20)
        #expect(backlog.use == 5 << 20)
        // A clock that is a little behind changes nothing.
        _ = backlog.report(waiting: 5 << 20, of: &busy, at: self.start + period)
        #expect(backlog.use == 7 << 20)
        _ = backlog.report(waiting: 3 << 20, of: &busy, at: self.start + .hours(1))
        #expect(backlog.use == 3 << 20)
        backlog.forget(idle)
        #expect(backlog.use == 3 << 20)
        backlog.forget(busy)
        #expect(backlog.use == 0)
    }

    @Test("What waits where windows can't be any narrower counts for nobody, however many there are; it does when they grow")
    func slowCrowd() {
        let backlog = PassingBacklog(limit: 2 << 20)
        var crowd = Array(repeating: PassingBacklog.Share(), count: 1_000)
        for index in crowd.indices { _ = backlog.report(waiting: 32 << 10, of: &crowd[index], isNarrowest: true, at: self.start) }
        #expect(backlog.use == 0 && crowd[0].waiting == 16 << 10 && !crowd[0].isQuick(64 << 10))
        var far = PassingBacklog.Share()
        #expect(backlog.grow(&far, by: 1 << 20, at: self.start) == 1 << 20)
        #expect(backlog.grow(&crowd[0], by: 64 << 10, at: self.start) == 64 << 10)
        #expect(backlog.use == 1 << 20 + 80 << 10)
        for share in crowd + [far] { backlog.forget(share) }
        #expect(backlog.use == 0)
    }

    @Test("Many threads leave nothing counted")
    func concurrently() async {
        let backlog = PassingBacklog(limit: 1 << 20)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var share = PassingBacklog.Share()
                    for round in 0..<5_000 {
                        let now = self.start + .milliseconds(Int64(round * 7 + task))
                        _ = backlog.report(waiting: round % 7 << 15, of: &share, at: now)
                        _ = backlog.grow(&share, by: 1 << 15, at: now)
                    }
                    backlog.forget(share)
                }
            }
        }
        #expect(backlog.use == 0)
    }

    @Test("Of a budget some may wait, and nothing grows where there is none")
    func ofBudget() {
        for (budget, passing) in [(1_024, 8_192), (256, 2_048), (64, 2_048), (8, 1_024)] {
            #expect(MemoryBudget(limit: budget << 20).passing.limit == passing << 10)
        }
        var share = PassingBacklog.Share()
        #expect(MemoryBudget(limit: 0).passing.grow(&share, by: 1 << 20, at: self.start) == 0)
        #expect(MemoryBudget(limit: .max).passing.grow(&share, by: 1 << 30, at: self.start) == 1 << 30)
    }
}
