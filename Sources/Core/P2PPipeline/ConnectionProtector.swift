public import NIOCore
public import P2PCore

/// Encrypts a byte channel below everything else, so that outsiders cannot even negotiate (private networks).
public protocol ConnectionProtector: Sendable {
    /// Adds its handler at the end of the channel's pipeline. On the event loop, before anything else is installed.
    ///
    /// A handler that fires a ``TransportError`` through the pipeline before anything was negotiated ends the upgrade with it.
    func protect(_ channel: any Channel, role: ConnectionRole) throws
}
