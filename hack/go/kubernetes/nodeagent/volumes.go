package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	provisioner = "sluice.dev/node-directory"
	volumeRoot  = "/var/lib/volumes"

	// Set by the controller-manager and by the scheduler (WaitForFirstConsumer).
	provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
	nodeAnnotation        = "volume.kubernetes.io/selected-node"
	// Read by the controller-manager: which provisioner deletes the volume.
	provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
	hostnameLabel           = "kubernetes.io/hostname"
)

// volumes makes a directory of this node for each claim whose pod was put on
// it, and removes the directories of released volumes.
func volumes(ctx context.Context, client kubernetes.Interface, self string) error {
	claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var failures []error
	for _, claim := range claims.Items {
		notes := claim.Annotations
		if claim.Spec.VolumeName == "" && notes[provisionerAnnotation] == provisioner && notes[nodeAnnotation] == self {
			failures = append(failures, provision(ctx, client, self, &claim))
		}
	}
	existing, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return errors.Join(append(failures, err)...)
	}
	for _, volume := range existing.Items {
		if released(&volume) && isOn(&volume, self) {
			failures = append(failures, remove(ctx, client, &volume))
		}
	}
	return errors.Join(failures...)
}

// provision is safe to repeat: the volume's name is that of the claim.
func provision(ctx context.Context, client kubernetes.Interface, self string, claim *v1.PersistentVolumeClaim) error {
	volume := volumeFor(claim, self)
	directory := volume.Spec.HostPath.Path
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return err
	}
	// Pods of any user write to it, and fsGroup has no effect on a hostPath; not by MkdirAll,
	// which is subject to the umask.
	if err := os.Chmod(directory, 0o777); err != nil {
		return err
	}
	_, err := client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func volumeFor(claim *v1.PersistentVolumeClaim, self string) *v1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedByAnnotation: provisioner},
		},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			StorageClassName:              *claim.Spec.StorageClassName,
			PersistentVolumeSource: v1.PersistentVolumeSource{
				HostPath: &v1.HostPathVolumeSource{Path: filepath.Join(volumeRoot, name)},
			},
			ClaimRef: &v1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{
					MatchExpressions: []v1.NodeSelectorRequirement{{
						Key: hostnameLabel, Operator: v1.NodeSelectorOpIn, Values: []string{self},
					}},
				}},
			}},
		},
	}
}

func released(volume *v1.PersistentVolume) bool {
	return volume.Status.Phase == v1.VolumeReleased &&
		volume.Spec.PersistentVolumeReclaimPolicy == v1.PersistentVolumeReclaimDelete &&
		volume.Annotations[provisionedByAnnotation] == provisioner
}

func isOn(volume *v1.PersistentVolume, node string) bool {
	affinity := volume.Spec.NodeAffinity
	if affinity == nil || affinity.Required == nil {
		return false
	}
	for _, term := range affinity.Required.NodeSelectorTerms {
		for _, expression := range term.MatchExpressions {
			if expression.Key == hostnameLabel && slices.Contains(expression.Values, node) {
				return true
			}
		}
	}
	return false
}

// remove takes the directory's name from the volume's own, never a path that
// somebody may have written into the volume.
func remove(ctx context.Context, client kubernetes.Interface, volume *v1.PersistentVolume) error {
	if err := os.RemoveAll(filepath.Join(volumeRoot, filepath.Base(volume.Name))); err != nil {
		return fmt.Errorf("volume %s: %w", volume.Name, err)
	}
	return client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
}
