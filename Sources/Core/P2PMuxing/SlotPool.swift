/// The slots of one connection's streams: small numbers, each given to one stream at a time.
struct SlotPool {
    private var free: [Int] = []
    private var made = 0

    mutating func take() -> Int {
        if let slot = self.free.popLast() { return slot }
        defer { self.made += 1 }
        return self.made
    }

    mutating func giveBack(_ slot: Int) {
        self.free.append(slot)
    }
}
