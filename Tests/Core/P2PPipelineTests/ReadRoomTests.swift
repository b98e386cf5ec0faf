import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PPipeline

@Suite("How much is read at a time")
struct ReadRoomTests {
    private let memory = HeldMemory(MemoryLimits(total: 8 << 20, perPeer: .max, allowed: 0))

    private func account() throws -> MemoryAccount {
        self.memory.account(for: PeerID(try PrivateKey.generate(.ed25519).publicKey), at: "/ip4/192.0.2.1/tcp/1")
    }

    private func fill(_ room: ReadRoom, times: Int) -> [Int] {
        (0..<times).map { _ in
            let size = room.nextBufferSize() ?? 0
            _ = room.record(actualReadBytes: size)
            return size
        }
    }

    @Test("It doubles while reads fill it, up to the most, halves after two that find little, and counts what the buffer has grown to")
    func grows() throws {
        let account = try self.account()
        do {
            let room = ReadRoom(account: account)
            #expect(self.fill(room, times: 10) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256].map { $0 * 1_024 })
            #expect(account.held == 255 * 1_024)
            #expect(!room.record(actualReadBytes: 10) && room.nextBufferSize() == ReadRoom.most)
            #expect(!room.record(actualReadBytes: 10) && room.nextBufferSize() == ReadRoom.most / 2)
            // In between, the buffer stays as it is.
            _ = room.record(actualReadBytes: 10)
            _ = room.record(actualReadBytes: 100 * 1_024)
            _ = room.record(actualReadBytes: 10)
            #expect(room.nextBufferSize() == ReadRoom.most / 2)
            #expect(room.record(actualReadBytes: ReadRoom.most / 2) && room.nextBufferSize() == ReadRoom.most)
            #expect(account.held == 255 * 1_024)
            for _ in 0..<40 { _ = room.record(actualReadBytes: 0) }
            #expect(room.nextBufferSize() == ReadRoom.least)
        }
        #expect(account.held == 0)
    }

    @Test("Where memory is scarce it grows no further than it has to, and keeps what it has")
    func scarce() throws {
        let (hoarder, account, early) = (try self.account(), try self.account(), try self.account())
        let room = ReadRoom(account: early)
        _ = self.fill(room, times: 9)
        hoarder.change(by: 2 << 20)
        #expect(self.fill(ReadRoom(account: account), times: 9).last == ReadRoom.scarce)
        #expect(self.fill(room, times: 1) == [ReadRoom.most])
    }
}
