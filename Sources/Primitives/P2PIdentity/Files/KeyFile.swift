/// Key files: the bare protobuf message `PrivateKey`, which other libp2p implementations read and write as well.
///
/// A file that is not exactly one whole key under its owner's eyes alone is refused with the reason, and nothing here ever replaces a file
/// that it was not told to replace: losing the file means losing the identity.
public enum KeyFile {
    /// Reads a key.
    ///
    /// - Parameters:
    ///   - path: A regular file without permissions for group or others; or symbolic links to one, as mounted secrets have them, if nobody else
    ///     may change where they lead. A file system that keeps no modes, such as FAT, is not held to them.
    ///   - noting: Is told what people should know of a file that is read all the same: that its file system keeps no modes.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`,
    ///   `.keyFileDamaged` (with the reason as `cause`) or `.keyFileUnavailable`.
    public static func read(_ path: String, noting: (String) -> Void = { _ in }) throws(IdentityError) -> PrivateKey {
        let bytes = try OwnerOnlyFile.read(path, upTo: PrivateKey.maximumEncodedSize, noting: noting)
        do {
            return try PrivateKey(protobufEncoded: bytes)
        } catch {
            throw IdentityError(.keyFileDamaged, "\(path) does not hold one whole private key", cause: error)
        }
    }

    /// Writes a key with mode 0600.
    ///
    /// The file appears under its name whole and on the disk, or not at all, also where there are no hard links. Where there is no rename that
    /// spares what is there either, a process that is killed at the wrong moment leaves an empty file, which is no key.
    ///
    /// - Parameters:
    ///   - key: The key to keep.
    ///   - path: Where to; its directory must exist.
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    ///   - noting: Is told when the file system keeps no modes, so that others may read the key.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    public static func write(
        _ key: PrivateKey, to path: String, replacing: Bool = false, noting: (String) -> Void = { _ in }
    ) throws(IdentityError) {
        try OwnerOnlyFile.write(key.protobufEncoded, to: path, replacing: replacing, noting: noting)
    }
}
