import P2PCore
import P2PIdentity
import P2PMultiaddr

/// What is known of a peer takes up roughly so many bytes, as it lies in memory.
enum PeerSizes {
    /// A peer of whom nothing is known yet, in its table.
    static let peer = 256
    /// An address, without its bytes.
    static let address = 96
    /// A text or an array, without its bytes.
    static let array = 48
    /// A public key; to encode it for the sake of its size would cost more than all the rest.
    static let key = 256
}

extension Introduction {
    var heldBytes: Int {
        var bytes = PeerSizes.array * 4 + self.protocolVersion.utf8.count + self.agentVersion.utf8.count
        bytes += self.publicKey == nil ? 0 : PeerSizes.key
        bytes += self.signedRecord?.count ?? 0
        bytes += self.observedAddress?.bytes.count ?? 0
        for address in self.listenAddresses { bytes += PeerSizes.array + address.bytes.count }
        for protocolID in self.protocols { bytes += PeerSizes.array + protocolID.name.utf8.count }
        return bytes
    }
}

extension PeerChange {
    var heldBytes: Int {
        var bytes = PeerSizes.peer + (self.introduction?.heldBytes ?? 0)
        for addition in self.additions { bytes += PeerSizes.address + addition.known.address.bytes.count }
        return bytes
    }
}
