import NIOCore
import NIOPosix
import P2PCore

/// Why a dial is given up before it begins: of the process's descriptors there are only those left that it keeps for itself.
struct DescriptorShortage: Error, CustomStringConvertible {
    let reserve: DescriptorReserve

    var description: String {
        """
        of \(self.reserve.limit) file descriptors (ulimit -n) all but the \(self.reserve.kept(from: .dial)) that the process keeps are taken; raise the limit
        """
    }
}

extension Channel {
    /// Called on the channel's loop, before it connects.
    ///
    /// - Throws: ``DescriptorShortage``.
    func leaveReserve() throws {
        let reserve = DescriptorReserve.current()
        let isShort = try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            reserve.isTouched(by: $0, for: .dial)
        }
        if isShort ?? false { throw DescriptorShortage(reserve: reserve) }
    }
}
